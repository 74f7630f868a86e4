import type { ActionDefinition, StepDefinition, WorkflowDefinition } from '../../src/workflows/definition.js';

/** What a test changes in the definition that most tests use. Members of `WorkflowDefinition` replace those of the base. */
interface GrantRoleChanges extends Partial<WorkflowDefinition> {
  /** Members of the action Grant. */
  grant?: Partial<ActionDefinition>;
  /** Actions of the step Import after Grant. */
  actions?: readonly ActionDefinition[];
  /** Members of the step Import. */
  importStep?: Partial<StepDefinition>;
  /** Steps before Import. */
  stepsBefore?: readonly StepDefinition[];
}

/** A workflow in which members are granted a role. Grant may set every attribute unless `grant` says otherwise. */
export function grantRole({
  grant,
  actions = [],
  importStep,
  stepsBefore = [],
  ...changes
}: GrantRoleChanges = {}): WorkflowDefinition {
  const attributes = changes.attributes ?? [
    { name: 'First Name', type: 'ShortText', maxLength: 100 },
    { name: 'Last Name', type: 'ShortText' },
    { name: 'Date Of Birth', type: 'Date' },
    { name: 'Hours', type: 'Numeric', minimum: 0 },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
    { name: 'Notes', type: 'LongText' },
  ];
  const inputs = attributes.map(({ name }) => name);
  const first: ActionDefinition = { id: 11, name: 'Grant', inputs, primary: { kind: 'save' }, ...grant };
  return {
    name: 'grant-role',
    title: 'Grant Role',
    entityType: 'MemberRole',
    identifiers: [
      { name: ':UniqueId', unique: true },
      { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
    ],
    steps: [
      ...stepsBefore,
      { name: 'Import', kind: 'dataImport', ...importStep, actions: [first, ...actions] },
    ],
    ...changes,
    attributes,
  };
}
