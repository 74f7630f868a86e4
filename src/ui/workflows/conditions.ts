import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { AttributeType } from '../../workflows/definition.js';

/*
 * Conditions on a row, as forms show them, and the JSON Schemas that state them in a definition. A schema that says
 * more than conditions can say stays JSON: it is shown as conditions only if they make the same schema again.
 */

/** `filled` and `empty` have no value; `oneOf` and `noneOf` have values with semicolons between them. */
export const OPERATORS = [
  ...(['filled', 'empty', 'is', 'isNot', 'oneOf', 'noneOf', 'contains'] as const),
  ...(['atLeast', 'atMost', 'matches'] as const),
] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Condition {
  /** A name as rows have it: `Level`, `:Email`. */
  field: string;
  operator: Operator;
  value: string;
}

/** How many of the conditions a row must meet. */
export type Join = 'all' | 'any';

export interface Conditions {
  join: Join;
  conditions: Condition[];
}

/** The type of a field; `undefined` for identifiers and unknown fields, whose values are text. */
export type TypeOf = (field: string) => AttributeType | undefined;

/** A condition that no schema can state; `number` and `boolean` name what its value must be. */
export class ConditionFault extends Error {
  override readonly name = 'ConditionFault';

  constructor(
    readonly index: number,
    readonly reason: 'field' | 'value' | 'number' | 'boolean' | 'notANumberField',
  ) {
    super(`condition ${index}: ${reason}`);
  }
}

export const NO_CONDITIONS: Conditions = { join: 'all', conditions: [] };

const hasNoValue = (operator: Operator) => operator === 'filled' || operator === 'empty';

/** @throws ConditionFault for the first condition that is incomplete or does not fit its field */
export function schemaOf({ join, conditions }: Conditions, typeOf: TypeOf): JsonObject {
  const schemas = conditions.map((condition, index) => schemaOfOne(condition, index, typeOf));
  if (join === 'any' && schemas.length > 1) return { anyOf: schemas };
  let merged: JsonObject = {};
  const apart: JsonObject[] = [];
  for (const schema of schemas) {
    const both = merge(merged, schema);
    if (both === undefined) apart.push(schema);
    else merged = both;
  }
  return apart.length === 0 ? merged : { ...merged, allOf: apart };
}

function schemaOfOne({ field, operator, value }: Condition, index: number, typeOf: TypeOf): JsonObject {
  const fault = (reason: ConditionFault['reason']) => new ConditionFault(index, reason);
  if (field === '') throw fault('field');
  if (!hasNoValue(operator) && value.trim() === '') throw fault('value');
  const type = typeOf(field);
  const typed = (text: string): JsonValue => {
    if (type === 'Numeric') {
      const number = Number(text.trim().replace(',', '.'));
      if (!Number.isFinite(number)) throw fault('number');
      return number;
    }
    if (type !== 'Boolean') return text;
    if (/^(true|yes)$/i.test(text.trim())) return true;
    if (/^(false|no)$/i.test(text.trim())) return false;
    throw fault('boolean');
  };
  const list = () =>
    value
      .split(';')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(typed);
  const about = (schema: JsonValue, isPresent = true): JsonObject => ({
    properties: { [field]: schema },
    ...(isPresent && { required: [field] }),
  });
  switch (operator) {
    case 'filled':
      return { required: [field] };
    case 'empty':
      return about(false, false);
    case 'is':
      return about({ const: typed(value) });
    case 'isNot':
      return about({ not: { const: typed(value) } }, false);
    case 'oneOf':
      return about({ enum: list() });
    case 'noneOf':
      return about({ not: { enum: list() } }, false);
    case 'contains':
      return about({ contains: { const: value } });
    case 'matches':
      return about({ pattern: value });
    case 'atLeast':
    case 'atMost': {
      if (type !== 'Numeric') throw fault('notANumberField');
      return about({ [operator === 'atLeast' ? 'minimum' : 'maximum']: typed(value) });
    }
  }
}

/** One schema for both; `undefined` if they say different things about one field in the same words. */
function merge(a: JsonObject, b: JsonObject): JsonObject | undefined {
  const properties: JsonObject = { ...members(a.properties) };
  for (const [field, schema] of Object.entries(members(b.properties))) {
    const present = properties[field];
    if (present === undefined) properties[field] = schema;
    else if (!isObject(present) || !isObject(schema)) return undefined;
    else if (Object.keys(schema).some((keyword) => present[keyword] !== undefined)) return undefined;
    else properties[field] = { ...present, ...schema };
  }
  const required = [...new Set([...texts(a.required), ...texts(b.required)])];
  return {
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  };
}

/** The conditions that make this schema; `undefined` if it says more, and must be edited as JSON. */
export function conditionsOf(schema: JsonObject, typeOf: TypeOf): Conditions | undefined {
  const found = readConditions(schema);
  if (found === undefined) return undefined;
  try {
    return isDeepStrictEqual(sorted(schemaOf(found, typeOf)), sorted(schema)) ? found : undefined;
  } catch (error) {
    if (error instanceof ConditionFault) return undefined;
    throw error;
  }
}

function readConditions(schema: JsonObject): Conditions | undefined {
  const { anyOf, allOf, ...own } = schema;
  if (Array.isArray(anyOf)) {
    if (Object.keys(own).length > 0 || allOf !== undefined) return undefined;
    const each = anyOf.map((one) => (isObject(one) ? conditionsOfAll(one) : []));
    return each.every(({ length }) => length === 1) ? { join: 'any', conditions: each.flat() } : undefined;
  }
  const apart = Array.isArray(allOf) ? allOf.filter(isObject) : [];
  return { join: 'all', conditions: [own, ...apart].flatMap(conditionsOfAll) };
}

function conditionsOfAll(schema: JsonObject): Condition[] {
  const properties = members(schema.properties);
  const stated = Object.entries(properties).flatMap(([field, value]) => conditionsOfField(field, value));
  const present = new Set(
    stated
      .filter(({ operator }) => !['empty', 'isNot', 'noneOf'].includes(operator))
      .map(({ field }) => field),
  );
  const filled = texts(schema.required)
    .filter((field) => !present.has(field))
    .map((field): Condition => ({ field, operator: 'filled', value: '' }));
  return [...stated, ...filled];
}

function conditionsOfField(field: string, schema: JsonValue): Condition[] {
  if (schema === false) return [{ field, operator: 'empty', value: '' }];
  if (!isObject(schema)) return [];
  const is = (operator: Operator, value: JsonValue | undefined): Condition[] =>
    value === undefined ? [] : [{ field, operator, value: textOf(value) }];
  const not = members(schema.not);
  return [
    ...is('is', schema.const),
    ...is('isNot', not.const),
    ...is('oneOf', schema.enum),
    ...is('noneOf', not.enum),
    ...is('contains', members(schema.contains).const),
    ...is('atLeast', schema.minimum),
    ...is('atMost', schema.maximum),
    ...is('matches', schema.pattern),
  ];
}

function textOf(value: JsonValue): string {
  if (Array.isArray(value)) return value.map(textOf).join('; ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

const members = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const texts = (value: JsonValue | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

/** The order of required fields says nothing. */
function sorted(schema: JsonObject): JsonObject {
  return { ...schema, ...(Array.isArray(schema.required) && { required: [...schema.required].sort() }) };
}
