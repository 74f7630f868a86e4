import type { JsonObject, JsonValue } from '../../common/json.js';
import { EMAIL_PATTERN } from '../../workflows/rows/values/email.js';
import { URL_PATTERN } from '../../workflows/rows/values/url.js';
import type { CompiledTarget, RecordError } from '../../targets/target.js';

/** What a person fills in for one column of a row. */
export interface RowField {
  name: string;
  required: boolean;
  hint: string;
  /** Of the input, or `select`, `checks` (several of the options) or `area`. */
  type: 'text' | 'email' | 'url' | 'number' | 'date' | 'select' | 'checks' | 'area';
  options: { value: string; selected: boolean }[];
  value: string;
  error: string | null;
}

/** The right input for each column, made from the row schema. `values`: what was filled in so far, by column. */
export function rowFields(
  { columns, schema }: Pick<CompiledTarget, 'columns' | 'schema'>,
  values: ReadonlyMap<string, string>,
  error: RecordError | null,
): RowField[] {
  return columns.map(({ name, required, description }) => {
    const schemas = alternatives(propertyOf(schema, name));
    const value = values.get(name) ?? '';
    const chosen = new Set(value.split(';').map((option) => option.trim()));
    const options = optionsOf(schemas).map((option) => ({
      value: option,
      selected: chosen.has(option),
    }));
    return {
      name,
      required,
      hint: description,
      type: typeOf(schemas, options.length > 0),
      options,
      value,
      error: error !== null && columnOf(error.pointer) === name ? error.message : null,
    };
  });
}

/** The column that a pointer leads to or into. */
export function columnOf(pointer: string | undefined): string | null {
  const step = pointer?.split('/')[1];
  return step === undefined ? null : step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function typeOf(schemas: readonly JsonObject[], hasOptions: boolean): RowField['type'] {
  if (schemas.some(({ type }) => type === 'array')) return hasOptions ? 'checks' : 'area';
  if (hasOptions) return 'select';
  const formats = schemas.map(({ format }) => format);
  if (formats.includes('date')) return 'date';
  // The formats of JSON Schema admit ASCII only, so addresses of a workflow are told by their patterns.
  const patterns = schemas.map(({ pattern }) => pattern);
  if (formats.includes('email') || patterns.includes(EMAIL_PATTERN)) return 'email';
  if (formats.includes('uri') || patterns.includes(URL_PATTERN)) return 'url';
  if (schemas.some(({ type }) => type === 'number' || type === 'integer')) return 'number';
  const texts = schemas.filter(({ type }) => type === 'string');
  return texts.length > 0 && texts.every(isOfAnyLength) ? 'area' : 'text';
}

/** What has a pattern is written in one line. */
function isOfAnyLength({ maxLength = Infinity, pattern }: JsonObject): boolean {
  return pattern === undefined && Number(maxLength) > 1000;
}

function optionsOf(schemas: readonly JsonObject[]): string[] {
  if (schemas.some(({ type }) => type === 'boolean')) return ['true', 'false'];
  const lists = schemas.flatMap((schema) => [schema.enum, (schema.items as JsonObject | undefined)?.enum]);
  const texts = lists.flatMap((list) => (Array.isArray(list) ? list : []));
  return [
    ...new Set(texts.filter((option): option is string => typeof option === 'string' && option !== '')),
  ];
}

/** Where several actions can be meant, the schema has one alternative for each: the first that knows the column. */
function propertyOf(schema: JsonObject, name: string): JsonObject {
  const { properties, oneOf, allOf } = schema;
  if (isObject(properties) && isObject(properties[name])) return properties[name];
  for (const part of [oneOf, allOf].flatMap((parts) => (Array.isArray(parts) ? parts : []))) {
    const found = isObject(part) ? propertyOf(part, name) : {};
    if (Object.keys(found).length > 0) return found;
  }
  return {};
}

function alternatives(schema: JsonObject): JsonObject[] {
  const { anyOf } = schema;
  return Array.isArray(anyOf) ? anyOf.filter(isObject).flatMap(alternatives) : [schema];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
