import type { JsonObject, JsonValue } from '../../src/platform/json/json-value.js';
import type {
  ActionRule,
  WorkflowDefinition,
  WorkflowTargetConfiguration,
} from '../../src/workflows/definition.js';
import { compileWorkflowTarget } from '../../src/workflows/engine/row-application.js';
import { grantRole } from './grant-role-definition.js';

/** A row, as a table of cases has it: what is `undefined` in it is not sent. */
type SentRow = Readonly<Record<string, JsonValue | undefined>>;

const REVOCABLE_ROLE = grantRole({
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
    { name: ':Team', unique: false, caseInsensitive: true },
  ],
  attributes: [
    { name: 'First Name', type: 'ShortText', maxLength: 10 },
    { name: 'Born', type: 'Date', description: 'Day of birth' },
    { name: 'Hours', type: 'Numeric', minimum: 0 },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
    { name: 'a/b~c', type: 'ShortText' },
    { name: 'Reason', type: 'LongText' },
  ],
  stepsBefore: [
    { name: 'Idle', kind: 'dataImport', actions: [] },
    {
      name: 'Application',
      kind: 'dataEntry',
      actions: [{ id: 1, name: 'Apply', inputs: [], primary: { kind: 'save' } }],
    },
  ],
  grant: {
    inputs: ['First Name', 'Born', 'Hours', 'Level', 'a/b~c'],
    required: ['First Name'],
    primary: { kind: 'completeSuccessfully' },
  },
  actions: [
    { id: 12, name: 'Revoke', inputs: ['Reason'], required: ['Reason'], primary: { kind: 'makeIncomplete' } },
  ],
});

/** An import into the step of two actions, `Grant` and `Revoke`. */
export const compileGrantRole = (
  configuration: Partial<WorkflowTargetConfiguration> = {},
  recordSchema: JsonObject | null = null,
  definition: WorkflowDefinition = REVOCABLE_ROLE,
) =>
  compileWorkflowTarget({
    identifierNeeded: 'if stated',
    workflowId: 7,
    definition,
    configuration: {
      kind: 'workflow',
      workflow: 'grant-role',
      step: 'Import',
      onNoMatch: 'create',
      onMatch: 'update',
      ...configuration,
    },
    recordSchema,
  });

/** An import whose `Grant` has these conditional rules. */
export function compileRuledGrant(
  rules: ActionRule[],
  recordSchema: JsonObject | null = null,
  configuration: Partial<WorkflowTargetConfiguration> = { action: 'Grant' },
) {
  const steps = REVOCABLE_ROLE.steps.map((step) => ({
    ...step,
    actions: step.actions.map((action) => (action.name === 'Grant' ? { ...action, rules } : action)),
  }));
  return compileGrantRole(configuration, recordSchema, { ...REVOCABLE_ROLE, steps });
}

export const granting = compileGrantRole({ action: 'Grant' });

/** Why the line is refused; `null` if it is not. Both passes see it; they must agree. */
export function refusal(line: string | SentRow, compiled = granting) {
  const payload = typeof line === 'string' ? line : JSON.stringify(line);
  const { error, orderingKeys } = compiled.checkRow(JSON.parse(payload) as JsonObject, payload);
  expect(compiled.parseRow({ line: 1, payload }).error ?? null).toEqual(error);
  if (error !== null) expect(orderingKeys).toEqual([]);
  return error;
}

/** What the line means. */
export function parsed(line: string | SentRow, compiled = granting) {
  const payload = typeof line === 'string' ? line : JSON.stringify(line);
  const { row, error } = compiled.parseRow({ line: 3, payload });
  if (row === undefined) throw new Error(error.message);
  expect(refusal(line, compiled)).toBeNull();
  return row;
}
