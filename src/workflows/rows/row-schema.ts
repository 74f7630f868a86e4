import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { RowColumn } from '../../records/target.js';
import type { WorkflowDefinition } from '../definition.js';
import {
  ACTION_ID_COLUMN,
  ACTION_NAME_COLUMN,
  type ActionChoice,
  type ActionPlan,
  type InputColumn,
} from './action-plan.js';

/** The columns of a template: identifiers, the action if a row must name one, inputs. */
export function rowColumns(choice: ActionChoice): RowColumn[] {
  const plans = choice.preset === null ? choice.plans : [choice.preset];
  const columns: RowColumn[] = (plans[0]?.identifiers ?? []).map(({ name, form, example }) => ({
    name,
    required: false,
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
    columns.push({ name, required: plans.every((plan) => isRequired(plan, name)), description, example });
  }
  return columns;
}

function actionColumn(plans: readonly ActionPlan[]): RowColumn {
  const names = plans.map(({ action }) => action.name);
  return {
    name: ACTION_NAME_COLUMN,
    required: true,
    description: `What to do: ${names.join(', ')}`,
    example: names[0] ?? '',
  };
}

function isRequired(plan: ActionPlan, name: string): boolean {
  return plan.inputs.some((input) => input.required && input.attribute.name === name);
}

/** For every attribute these values mean: clear it. */
const BLANK: JsonObject = { enum: [null, ''] };

/**
 * The rules of a row as JSON Schema 2020-12: one alternative per action. Only `checkRow` knows what JSON Schema cannot
 * express: a 29 February, the options in a text with semicolons, bounds of a number in a text, and the rules of an action,
 * which are about values and not about how they are written. The description has the messages of the rules.
 */
export function rowSchema(
  definition: WorkflowDefinition,
  choice: ActionChoice,
  recordSchema: JsonObject | null,
): JsonObject {
  const alternatives = choice.plans.map((plan) => actionSchema(plan, plan === choice.preset));
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

function actionSchema(plan: ActionPlan, isPreset: boolean): JsonObject {
  const { id, name, rules = [] } = plan.action;
  const ids: JsonValue[] = [id, String(id)];
  const properties: [string, JsonObject][] = [
    ...plan.identifiers.map((reader): [string, JsonObject] => [
      reader.name,
      { description: reader.form, ...reader.schema },
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
    ...(isPreset ? { not: { allOf: [byId, byName] } } : { oneOf: [byId, byName] }),
  };
}

function inputSchema({ attribute, required, type }: InputColumn): JsonObject {
  const description = attribute.description ?? type.form;
  if (!required) return { description, anyOf: [BLANK, ...type.schemas] };
  const alternatives =
    type.schemas.length === 1 && type.schemas[0] ? type.schemas[0] : { anyOf: [...type.schemas] };
  return { description, ...alternatives, not: BLANK };
}

/** A schema inside another one. Its own base keeps its `#/…` references inside it. */
function embedded(schema: JsonObject, name: string): JsonObject {
  const rest = { ...schema };
  delete rest.$schema;
  return { ...rest, $id: `urn:workflow-import-queue:${name}` };
}
