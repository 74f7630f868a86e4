import type {
  ActionDefinition,
  AttributeDefinition,
  AttributeType,
  BehaviorDefinition,
  WorkflowDefinition,
} from '../definition.js';

/** A change of one attribute; an attribute without a change is repeated as it is. */
export interface FieldEdit {
  /** Its present name; `null` for a new attribute. */
  was: string | null;
  name: string;
  type: AttributeType;
  /** Of lists. */
  options: readonly string[];
  /** Whether imports must have a value for it. */
  required: boolean;
  removed: boolean;
}

const LISTS: readonly AttributeType[] = ['PickList', 'MultiSelectList'];
const TEXTS: readonly AttributeType[] = ['ShortText', 'LongText', 'RichText', 'Email', 'Url'];

/**
 * The definition with changed attributes. Actions follow a new name in their inputs, required inputs and behaviors; an
 * action that imports takes new attributes, too. Everything else stays as it is.
 */
export function withFields(definition: WorkflowDefinition, edits: readonly FieldEdit[]): WorkflowDefinition {
  const present = new Map(definition.attributes.map((attribute) => [attribute.name, attribute]));
  const kept = edits.filter(({ removed, name }) => !removed && name !== '');
  const names = new Map(kept.flatMap(({ was, name }) => (was === null ? [] : [[was, name] as const])));
  const added = kept.filter(({ was }) => was === null).map(({ name }) => name);
  const required = new Map(kept.map(({ name, required }) => [name, required]));
  return {
    ...definition,
    attributes: kept.map((edit) => attributeOf(edit, edit.was === null ? undefined : present.get(edit.was))),
    steps: definition.steps.map((step) => ({
      ...step,
      actions: step.actions.map((action) => {
        const isImport = step.kind === 'dataImport';
        return withNames(action, names, isImport ? added : [], isImport ? required : null);
      }),
    })),
  };
}

function attributeOf(
  { name, type, options }: FieldEdit,
  { maxLength, minimum, maximum, description }: Partial<AttributeDefinition> = {},
): AttributeDefinition {
  return {
    name,
    type,
    ...(description !== undefined && { description }),
    ...(maxLength !== undefined && TEXTS.includes(type) && { maxLength }),
    ...(minimum !== undefined && type === 'Numeric' && { minimum }),
    ...(maximum !== undefined && type === 'Numeric' && { maximum }),
    ...(LISTS.includes(type) && { options: [...options] }),
  };
}

/** @param required whether each input is required; `null` leaves that as it is */
function withNames(
  action: ActionDefinition,
  names: ReadonlyMap<string, string>,
  added: readonly string[],
  required: ReadonlyMap<string, boolean> | null,
): ActionDefinition {
  const renamed = (list: readonly string[]) => list.flatMap((name) => names.get(name) ?? []);
  const inputs = [...renamed(action.inputs), ...added];
  const { behaviors } = action;
  return {
    ...action,
    inputs,
    required:
      required === null
        ? renamed(action.required ?? [])
        : inputs.filter((name) => required.get(name) === true),
    ...(behaviors && { behaviors: behaviors.map((behavior) => renamedBehavior(behavior, names)) }),
  };
}

function renamedBehavior(
  behavior: BehaviorDefinition,
  names: ReadonlyMap<string, string>,
): BehaviorDefinition {
  const nameOf = (name: string) => names.get(name) ?? name;
  const inTemplate = (template: string) =>
    template.replace(/\{\{\s*([^{}]+?)\s*\}\}/g, (all, name: string) =>
      nameOf(name) === name ? all : `{{${nameOf(name)}}}`,
    );
  switch (behavior.kind) {
    case 'sendEmail':
      return {
        ...behavior,
        to: nameOf(behavior.to),
        subject: inTemplate(behavior.subject),
        template: inTemplate(behavior.template),
      };
    case 'setAttribute':
      return { ...behavior, name: nameOf(behavior.name), value: inTemplate(behavior.value) };
    default:
      return behavior;
  }
}

/** Whether every action that imports the attribute requires it. */
export function isRequired({ steps }: WorkflowDefinition, name: string): boolean {
  const actions = steps
    .filter(({ kind }) => kind === 'dataImport')
    .flatMap(({ actions }) => actions)
    .filter(({ inputs }) => inputs.includes(name));
  return actions.length > 0 && actions.every(({ required = [] }) => required.includes(name));
}

/** What a version changed: names of attributes and actions. */
export interface DefinitionChanges {
  added: string[];
  removed: string[];
  changed: string[];
}

/** The attributes, identifiers and actions in which two versions of a definition differ. */
export function definitionChanges(before: WorkflowDefinition, after: WorkflowDefinition): DefinitionChanges {
  const earlier = partsOf(before);
  const later = partsOf(after);
  return {
    added: [...later.keys()].filter((name) => !earlier.has(name)),
    removed: [...earlier.keys()].filter((name) => !later.has(name)),
    changed: [...later].filter(([name, json]) => (earlier.get(name) ?? json) !== json).map(([name]) => name),
  };
}

function partsOf({ identifiers, attributes, steps }: WorkflowDefinition): Map<string, string> {
  const named = [
    ...identifiers.map((part) => [part.name, part] as const),
    ...attributes.map((part) => [part.name, part] as const),
    ...steps.flatMap(({ name, actions }) =>
      actions.map((action) => [`${name} › ${action.name}`, action] as const),
    ),
  ];
  return new Map(named.map(([name, part]) => [name, JSON.stringify(part)]));
}
