import { isListType } from '../../import-processes/start/file-proposal.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import {
  type ActionDefinition,
  type AttributeType,
  type BehaviorDefinition,
  type VersionedWorkflowDefinition,
} from '../../workflows/definition.js';
import { text } from '../texts/catalogue.js';
import {
  type Condition,
  ConditionFault,
  type Conditions,
  conditionsOf,
  NO_CONDITIONS,
  schemaOf,
  type TypeOf,
} from './conditions.js';

/*
 * A workflow while it is edited: what a form shows and sends back. Its inputs are named by their place
 * (`steps.0.actions.1.name`). Each named part sends its name as it was shown (`was`), so that what refers to it follows
 * a new name.
 */

interface IdentifierDraft {
  was: string;
  /** Without its colon. */
  name: string;
  unique: boolean;
  email: boolean;
  caseInsensitive: boolean;
}

interface AttributeDraft {
  was: string;
  name: string;
  type: AttributeType;
  /** One on a line. */
  options: string;
  description: string;
  maxLength: string;
  minimum: string;
  maximum: string;
}

/** The rows that a rule is about, or what it demands. `json` where conditions cannot state it. */
export type SchemaDraft = Conditions & { json?: string };

interface RuleDraft {
  when: SchemaDraft;
  require: SchemaDraft;
  message: string;
}

export interface BehaviorDraft {
  kind: BehaviorDefinition['kind'];
  /** A field, or empty: then `address` is a fixed one. */
  to: string;
  address: string;
  subject: string;
  template: string;
  name: string;
  value: string;
  url: string;
  secret: string;
  action: string;
}

export interface ActionDraft {
  was: string;
  id: string;
  name: string;
  /** Names of attributes. */
  sets: string[];
  requires: string[];
  primary: string;
  primaryStep: string;
  rules: RuleDraft[];
  behaviors: BehaviorDraft[];
}

export interface StepDraft {
  was: string;
  name: string;
  kind: string;
  actsOnTerminal: boolean;
  actions: ActionDraft[];
}

export interface WorkflowDraft {
  name: string;
  title: string;
  entityType: string;
  /** The version that is edited; empty for a new workflow. */
  version: string;
  identifiers: IdentifierDraft[];
  attributes: AttributeDraft[];
  steps: StepDraft[];
}

/** Something that cannot be saved, at the input with this name. */
export interface Mistake {
  place: string;
  message: string;
}

export const BEHAVIOR_KINDS = ['sendEmail', 'webhook', 'setAttribute', 'performAction'] as const;
export const PRIMARY_KINDS = [
  ...(['save', 'moveToStep'] as const),
  ...(['completeSuccessfully', 'completeUnsuccessfully', 'makeIncomplete'] as const),
] as const;
const TEXT_TYPES: readonly AttributeType[] = ['ShortText', 'LongText', 'RichText', 'Email', 'Url'];

/** What the form of a new workflow begins with: one identifier, one step, and an action that saves a row. */
export const NEW_WORKFLOW: WorkflowDraft = {
  ...{ name: '', title: '', entityType: '', version: '' },
  identifiers: [{ was: '', name: '', unique: true, email: false, caseInsensitive: false }],
  attributes: [newAttribute()],
  steps: [
    { was: '', name: 'Import', kind: 'dataImport', actsOnTerminal: false, actions: [newAction(1, [])] },
  ],
};

export function newAttribute(): AttributeDraft {
  return {
    ...{ was: '', name: '', type: 'ShortText' as const, options: '', description: '' },
    ...{ maxLength: '', minimum: '', maximum: '' },
  };
}

export function newAction(id: number, sets: string[]): ActionDraft {
  return {
    ...{ was: '', id: String(id), name: id === 1 ? 'Save' : '', sets, requires: [] },
    ...{ primary: 'save', primaryStep: '', rules: [], behaviors: [] },
  };
}

export function newBehavior(kind: BehaviorDraft['kind']): BehaviorDraft {
  return {
    ...{ kind, to: '', address: '', subject: '', template: '', name: '', value: '', url: '', secret: '' },
    action: '',
  };
}

export const newCondition = (): Condition => ({ field: '', operator: 'is', value: '' });

export function draftOf(definition: VersionedWorkflowDefinition): WorkflowDraft {
  const { name, title, entityType, version, identifiers, attributes, steps } = definition;
  const types = new Map(attributes.map((attribute) => [attribute.name, attribute.type]));
  const identifying = new Set(identifiers.map((identifier) => identifier.name));
  return {
    ...{ name, title, entityType, version: version === undefined ? '' : String(version) },
    identifiers: identifiers.map(({ name: known, unique, format, caseInsensitive = false }) => ({
      ...{ was: known, name: known.slice(1), unique, email: format === 'email', caseInsensitive },
    })),
    attributes: attributes.map(({ options = [], description = '', ...attribute }) => ({
      ...{ was: attribute.name, name: attribute.name, type: attribute.type, description },
      options: options.join('\n'),
      maxLength: numberText(attribute.maxLength),
      minimum: numberText(attribute.minimum),
      maximum: numberText(attribute.maximum),
    })),
    steps: steps.map(({ actsOnTerminal = false, actions, ...step }) => ({
      ...{ was: step.name, name: step.name, kind: step.kind, actsOnTerminal },
      actions: actions.map((action) => actionDraft(action, types, identifying)),
    })),
  };
}

const numberText = (value: number | undefined) => (value === undefined ? '' : String(value));

function actionDraft(
  action: ActionDefinition,
  types: ReadonlyMap<string, AttributeType>,
  identifiers: ReadonlySet<string>,
): ActionDraft {
  const { id, name, inputs, required = [], rules = [], primary, behaviors = [] } = action;
  const schemaDraft = (schema: JsonObject): SchemaDraft =>
    conditionsOf(schema, (field) => types.get(field)) ?? {
      ...NO_CONDITIONS,
      json: JSON.stringify(schema, null, 2),
    };
  return {
    ...{ was: name, id: String(id), name, sets: [...inputs], requires: [...required] },
    primary: primary.kind,
    primaryStep: primary.kind === 'moveToStep' ? primary.step : '',
    rules: rules.map(({ when, require, message }) => ({
      ...{ when: schemaDraft(when), require: schemaDraft(require), message },
    })),
    behaviors: behaviors.map((behavior) => {
      const draft = { ...newBehavior(behavior.kind), ...behavior };
      const isField =
        behavior.kind === 'sendEmail' && (types.has(behavior.to) || identifiers.has(behavior.to));
      return behavior.kind === 'sendEmail' && !isField ? { ...draft, to: '', address: behavior.to } : draft;
    }),
  };
}

/** The definition that the draft states, and what no definition can state. The reader of definitions checks the rest. */
export function definitionFrom(draft: WorkflowDraft): { definition: JsonObject; mistakes: Mistake[] } {
  const mistakes: Mistake[] = [];
  const types = new Map(draft.attributes.map(({ name, type }) => [name, type]));
  const schema = (source: SchemaDraft, place: string) =>
    schemaOfDraft(source, place, (name) => types.get(name), mistakes);
  const definition: JsonObject = {
    ...{ name: draft.name, title: draft.title, entityType: draft.entityType },
    ...(draft.version !== '' && { version: Number(draft.version) }),
    identifiers: draft.identifiers.map(({ name, unique, email, caseInsensitive }) => ({
      ...{ name: `:${name}`, unique },
      ...(email && { format: 'email' }),
      ...(caseInsensitive && { caseInsensitive }),
    })),
    attributes: draft.attributes.map(attributeFrom),
    steps: draft.steps.map(({ name, kind, actsOnTerminal, actions }, step) => ({
      ...{ name, kind },
      ...(actsOnTerminal && kind === 'dataImport' && { actsOnTerminal }),
      actions: actions.map((action, number) => {
        const place = `steps.${step}.actions.${number}`;
        return {
          ...{ id: number_(action.id), name: action.name, inputs: action.sets },
          ...(action.requires.length > 0 && { required: action.requires }),
          ...(action.rules.length > 0 && {
            rules: action.rules.map((rule, index) => ({
              when: schema(rule.when, `${place}.rules.${index}.when`),
              require: schema(rule.require, `${place}.rules.${index}.require`),
              message: rule.message,
            })),
          }),
          primary: {
            kind: action.primary,
            ...(action.primary === 'moveToStep' && action.primaryStep !== '' && { step: action.primaryStep }),
          },
          ...(action.behaviors.length > 0 && { behaviors: action.behaviors.map(behaviorFrom) }),
        };
      }),
    })),
  };
  return { definition, mistakes };
}

function attributeFrom(attribute: AttributeDraft): JsonObject {
  const { name, type, description, maxLength, minimum, maximum } = attribute;
  const options = attribute.options.split('\n').map((option) => option.trim());
  return {
    ...{ name, type },
    ...(description !== '' && { description }),
    ...(maxLength !== '' && TEXT_TYPES.includes(type) && { maxLength: number_(maxLength) }),
    ...(minimum !== '' && type === 'Numeric' && { minimum: number_(minimum) }),
    ...(maximum !== '' && type === 'Numeric' && { maximum: number_(maximum) }),
    ...(isListType(type) && { options: [...new Set(options.filter((option) => option !== ''))] }),
  };
}

/** A text that is no number stays text, which the reader of definitions refuses at its place. */
function number_(source: string): JsonValue {
  const number = Number(source.replace(',', '.'));
  return source !== '' && Number.isFinite(number) ? number : source;
}

function behaviorFrom({
  kind,
  to,
  address,
  subject,
  template,
  name,
  value,
  url,
  secret,
  action,
}: BehaviorDraft): JsonObject {
  switch (kind) {
    case 'sendEmail':
      return { kind, to: to === '' ? address : to, subject, template };
    case 'setAttribute':
      return { kind, name, value };
    case 'webhook':
      return { kind, url, ...(secret !== '' && { secret }) };
    case 'performAction':
      return { kind, action };
  }
}

function schemaOfDraft(source: SchemaDraft, place: string, typeOf: TypeOf, mistakes: Mistake[]): JsonObject {
  try {
    if (source.json === undefined) {
      if (place.endsWith('require') && source.conditions.length === 0)
        mistakes.push({ place, message: text('workflowForm.error.noCondition') });
      return schemaOf(source, typeOf);
    }
    const parsed: unknown = JSON.parse(source.json);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as JsonObject;
    mistakes.push({ place: `${place}.json`, message: text('workflowForm.error.noObject') });
  } catch (error) {
    if (error instanceof ConditionFault) {
      const input = error.reason === 'field' ? 'field' : 'value';
      const message = text(`workflowForm.error.condition.${error.reason}`);
      mistakes.push({ place: `${place}.conditions.${error.index}.${input}`, message });
    } else {
      const reason = (error as Error).message;
      mistakes.push({ place: `${place}.json`, message: text('workflow.notJson', { reason }) });
    }
  }
  return {};
}
