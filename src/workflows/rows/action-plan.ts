import { compileJsonSchema } from '../../platform/json/json-schema.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { ColumnKind, RecordError, RowColumn } from '../../records/target.js';
import type { ActionRule, AttributeDefinition, WorkflowDefinition } from '../definition.js';
import type { IdentifierReader, StepAction } from './row-reader.js';
import { valueTypeOf } from './values/attribute-values.js';
import {
  columnError,
  keptPointer,
  NearestName,
  quoted,
  rowError,
  shown,
  type ValueType,
} from './values/value-type.js';

/** The reason why the rules refuse a row (in the form of `understoodRow`); `null` if they accept it. */
type RuleCheck = (row: JsonObject) => RecordError | null;

/**
 * Compiles the conditional rules of an action for many rows; `null` if there are none, so that rows of such actions
 * cost nothing. A row gets the message of the first rule it breaks.
 */
export function compileRules(rules: readonly ActionRule[] = []): RuleCheck | null {
  if (rules.length === 0) return null;
  const compiled = rules.map(({ when, require, message }) => ({
    unlike: compileJsonSchema(when),
    violates: compileJsonSchema(require),
    message,
  }));
  return (row) => {
    for (const { unlike, violates, message } of compiled) {
      if (unlike(row) !== null) continue;
      const violation = violates(row);
      if (violation !== null) return ruleViolated(message, violation.pointer);
    }
    return null;
  };
}

/** An empty pointer stands for the whole row. */
function ruleViolated(message: string, pointer: string): RecordError {
  return rowError('rule_violated', message, pointer === '' ? undefined : keptPointer(pointer));
}

export const ACTION_ID_COLUMN = ':WorkflowActionId';
export const ACTION_NAME_COLUMN = ':WorkflowActionName';

interface IdentifierColumn {
  kind: 'identifier';
  reader: IdentifierReader;
  /** Place in the definition's order. */
  index: number;
}

export interface InputColumn {
  kind: 'input';
  attribute: AttributeDefinition;
  required: boolean;
  type: ValueType;
}

/** How one action reads one column of a row. */
export type PlannedColumn = IdentifierColumn | InputColumn | { kind: 'action' };

/** The plan for reading the rows of one action, with the columns by name. */
export class ActionPlan {
  readonly columns = new Map<string, PlannedColumn>();
  readonly requiredCount: number;
  /** The conditional rules of the action; `null` if it has none. */
  readonly violates: RuleCheck | null;
  private readonly nearest: NearestName;

  constructor(
    readonly action: StepAction,
    readonly identifiers: readonly IdentifierReader[],
    readonly inputs: readonly InputColumn[],
  ) {
    this.columns.set(ACTION_ID_COLUMN, { kind: 'action' }).set(ACTION_NAME_COLUMN, { kind: 'action' });
    for (const input of inputs) this.columns.set(input.attribute.name, input);
    identifiers.forEach((reader, index) =>
      this.columns.set(reader.name, { kind: 'identifier', reader, index }),
    );
    this.requiredCount = inputs.filter((input) => input.required).length;
    this.violates = compileRules(action.rules);
    this.nearest = new NearestName(this.columns.keys());
  }

  /** ` Did you mean "…"?`, or nothing. */
  columnHint(name: string): string {
    return this.nearest.hint(name);
  }
}

/**
 * Plans the actions of one step. The plans share the value types, because an attribute can have thousands of options.
 * @throws Error if an action names an unknown attribute; saving a definition checks this
 */
export function planActions(
  actions: readonly StepAction[],
  identifiers: readonly IdentifierReader[],
  attributes: readonly AttributeDefinition[],
): ActionPlan[] {
  const known = new Map(
    attributes.map((attribute) => [attribute.name, { attribute, type: valueTypeOf(attribute) }] as const),
  );
  return actions.map((action) => {
    const required = new Set(action.required);
    const inputs = action.inputs.map((name): InputColumn => {
      const column = known.get(name);
      if (column === undefined) {
        throw new Error(`action "${action.name}" has an input "${name}" that is not an attribute`);
      }
      return { kind: 'input', ...column, required: required.has(name) };
    });
    return new ActionPlan(action, identifiers, inputs);
  });
}

/** Whether a row must say which thing it means; `if stated`: only if it has a column of an identifier. */
export type IdentifierNeeded = 'always' | 'if stated' | 'never';

/**
 * Decides which action a row performs: the action that it names, or else the one of the import process, or else the
 * step's only one. A blank cell names none, so that a file can have the column and fill it in only some rows.
 */
export class ActionChoice {
  private readonly byName = new Map<string, ActionPlan>();
  private readonly byId = new Map<JsonValue, ActionPlan>();
  private readonly nearest: NearestName;

  constructor(
    readonly plans: readonly ActionPlan[],
    private readonly step: string,
    /** The action for rows that do not name one; `null` if rows must name one. */
    readonly preset: ActionPlan | null,
    readonly identifierNeeded: IdentifierNeeded,
  ) {
    for (const plan of plans) {
      this.byName.set(plan.action.name, plan);
      this.byId.set(plan.action.id, plan).set(String(plan.action.id), plan);
    }
    this.nearest = new NearestName(this.byName.keys());
  }

  choose(row: JsonObject): { plan: ActionPlan; error?: undefined } | { error: RecordError } {
    const id = row[ACTION_ID_COLUMN];
    const name = row[ACTION_NAME_COLUMN];
    const hasId = id !== undefined && id !== null && id !== '';
    const hasName = name !== undefined && name !== null && name !== '';
    if (!hasId && !hasName) return this.whenNoneIsNamed;
    if (hasId && hasName) return { error: CHOSEN_TWICE };
    const plan = hasId ? this.byId.get(id) : this.byName.get(name as string);
    if (plan !== undefined) return { plan };
    return { error: hasId ? this.unknownId(id) : this.unknownName(name ?? null) };
  }

  private get whenNoneIsNamed(): { plan: ActionPlan; error?: undefined } | { error: RecordError } {
    return this.preset === null ? { error: this.ambiguous() } : { plan: this.preset };
  }

  private ambiguous(): RecordError {
    if (this.plans.length === 0)
      return rowError('ambiguous_action', `the step ${quoted(this.step)} has no action`);
    const message = `the step ${quoted(this.step)} has several actions: name one of ${this.names()} in ${ACTION_NAME_COLUMN}`;
    return rowError('ambiguous_action', message);
  }

  private unknownId(id: JsonValue): RecordError {
    const ids = this.plans.map(({ action }) => `${action.id} (${quoted(action.name)})`).join(', ');
    const rule = `must be the id of an action of the step ${quoted(this.step)}: ${ids}; found ${shown(id)}`;
    return columnError(ACTION_ID_COLUMN, 'unknown_action', rule);
  }

  private unknownName(name: JsonValue): RecordError {
    const hint = typeof name === 'string' ? this.nearest.hint(name) : '';
    const rule = `must be an action of the step ${quoted(this.step)}: ${this.names()}; found ${shown(name)}.${hint}`;
    return columnError(ACTION_NAME_COLUMN, 'unknown_action', rule);
  }

  private names(): string {
    return this.plans.map(({ action }) => quoted(action.name)).join(', ');
  }
}

const CHOSEN_TWICE = rowError(
  'action_chosen_twice',
  `the row names its action twice: give ${ACTION_ID_COLUMN} or ${ACTION_NAME_COLUMN}, not both`,
);

const KINDS: Readonly<Record<AttributeDefinition['type'], ColumnKind>> = {
  ShortText: 'text',
  LongText: 'text',
  RichText: 'text',
  Numeric: 'number',
  Boolean: 'boolean',
  Date: 'date',
  DateTime: 'dateTime',
  PickList: 'option',
  MultiSelectList: 'options',
  Email: 'email',
  Url: 'url',
};

/** The columns of a template: identifiers, the action if a row must name one, inputs. */
export function rowColumns(choice: ActionChoice, timeZone = 'UTC'): RowColumn[] {
  const plans = choice.preset === null ? choice.plans : [choice.preset];
  const identifiers = plans[0]?.identifiers ?? [];
  // Of several identifiers, each row needs only one, whichever it is.
  const isOnlyWay = identifiers.length === 1 && choice.identifierNeeded === 'always';
  const columns: RowColumn[] = identifiers.map(({ name, form, example }) => ({
    name,
    required: isOnlyWay,
    kind: 'identifier',
    description: form,
    example,
  }));
  if (choice.preset === null) columns.push(actionColumn(plans));
  const inputs = new Map(
    plans.flatMap((plan) => plan.inputs.map((input) => [input.attribute.name, input] as const)),
  );
  for (const [name, { attribute, type }] of inputs) {
    const { form, example } = type;
    const description = attribute.description === undefined ? form : `${attribute.description}. ${form}`;
    columns.push({
      name,
      required: plans.every((plan) => isRequired(plan, name)),
      kind: KINDS[attribute.type],
      ...(attribute.options && { options: attribute.options }),
      ...(attribute.type === 'DateTime' && timeZone !== 'UTC' && { timeZone }),
      description,
      example,
    });
  }
  return columns;
}

function actionColumn(plans: readonly ActionPlan[]): RowColumn {
  const names = plans.map(({ action }) => action.name);
  return {
    name: ACTION_NAME_COLUMN,
    required: true,
    kind: 'action',
    description: `What to do: ${names.join(', ')}`,
    example: names[0] ?? '',
  };
}

function isRequired(plan: ActionPlan, name: string): boolean {
  return plan.inputs.some((input) => input.required && input.attribute.name === name);
}

/** These values clear any attribute. */
const BLANK: JsonObject = { enum: [null, ''] };
/** A blank identifier beside another one is absent. */
const BLANK_IDENTIFIER: JsonObject = {
  anyOf: [{ type: 'null' }, { type: 'string', pattern: '^[\\s\\u0085\\u200B-\\u200D\\u2060\\u00AD]*$' }],
};

/**
 * The rules of a row as JSON Schema 2020-12: one alternative per action. Only `checkRow` checks the rules that JSON
 * Schema cannot express: a 29 February, the options in a text with semicolons, bounds of a number in a text, and the
 * rules of an action, which apply to values and not to their spelling. The description contains the messages of the
 * rules.
 */
export function rowSchema(
  definition: WorkflowDefinition,
  choice: ActionChoice,
  recordSchema: JsonObject | null,
): JsonObject {
  const alternatives = choice.plans.map((plan) =>
    actionSchema(plan, plan === choice.preset, choice.identifierNeeded),
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: definition.title,
    type: 'object',
    ...(recordSchema === null
      ? oneOf(alternatives)
      : { allOf: [oneOf(alternatives), embedded(recordSchema, 'record-schema')] }),
  };
}

function oneOf(alternatives: readonly JsonObject[]): JsonObject {
  const [first, ...others] = alternatives;
  // A step without actions has no valid row.
  if (first === undefined) return { not: {} };
  return others.length === 0 ? first : { oneOf: [...alternatives] };
}

function actionSchema(plan: ActionPlan, isPreset: boolean, needed: IdentifierNeeded): JsonObject {
  const { id, name, rules = [] } = plan.action;
  const ids: JsonValue[] = [id, String(id)];
  const properties: [string, JsonObject][] = [
    ...plan.identifiers.map((reader): [string, JsonObject] => [
      reader.name,
      { description: reader.form, anyOf: [BLANK_IDENTIFIER, reader.schema] },
    ]),
    [ACTION_ID_COLUMN, { enum: [null, '', ...ids] }],
    [ACTION_NAME_COLUMN, { enum: [null, '', name] }],
    ...plan.inputs.map((input): [string, JsonObject] => [input.attribute.name, inputSchema(input)]),
  ];
  const byId = { required: [ACTION_ID_COLUMN], properties: { [ACTION_ID_COLUMN]: { enum: ids } } };
  const byName = { required: [ACTION_NAME_COLUMN], properties: { [ACTION_NAME_COLUMN]: { const: name } } };
  return {
    description: [`Action "${name}"`, ...rules.map(({ message }) => message)].join('. '),
    properties: Object.fromEntries(properties),
    required: plan.inputs.filter(({ required }) => required).map(({ attribute }) => attribute.name),
    additionalProperties: false,
    ...(plan.identifiers.length > 0 && needed !== 'never' && { anyOf: identified(plan.identifiers, needed) }),
    ...(isPreset ? { not: { allOf: [byId, byName] } } : { oneOf: [byId, byName] }),
  };
}

/** The row has at least one identifier that is not blank, or may have no such column. */
function identified(identifiers: readonly IdentifierReader[], needed: IdentifierNeeded): JsonObject[] {
  const names = identifiers.map(({ name }) => name);
  const given = names.map((name): JsonObject => ({
    required: [name],
    properties: { [name]: { not: BLANK_IDENTIFIER } },
  }));
  if (needed === 'always') return given;
  return [{ allOf: names.map((name): JsonObject => ({ not: { required: [name] } })) }, ...given];
}

function inputSchema({ attribute, required, type }: InputColumn): JsonObject {
  const description = attribute.description ?? type.form;
  if (!required) return { description, anyOf: [BLANK, ...type.schemas] };
  const alternatives =
    type.schemas.length === 1 && type.schemas[0] ? type.schemas[0] : { anyOf: [...type.schemas] };
  return { description, ...alternatives, not: BLANK };
}

/** A schema inside another schema. Its own base keeps its `#/…` references inside it. */
export function embedded(schema: JsonObject, name: string): JsonObject {
  const rest = { ...schema };
  delete rest.$schema;
  return { ...rest, $id: `urn:workflow-import-queue:${name}` };
}
