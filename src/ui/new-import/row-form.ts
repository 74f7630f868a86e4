import { fieldOf } from '../../import-queue/fix-drafts.service.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { CompiledTarget, RecordError } from '../../records/target.js';
import { EMAIL_PATTERN, URL_PATTERN } from '../../workflows/rows/values/attribute-values.js';
import { dateType } from '../../workflows/rows/values/dates.js';

/** The field of a form for one column of a row. */
export interface RowField {
  name: string;
  /** The name without the colon of identifiers, which means nothing to a person. */
  label: string;
  required: boolean;
  hint: string;
  /** The type of the input, or `select`, `checks` (several of the options) or `area`. */
  type: 'text' | 'email' | 'url' | 'number' | 'date' | 'select' | 'checks' | 'area';
  options: { value: string; selected: boolean }[];
  value: string;
  error: string | null;
}

/**
 * The fields for all columns, derived from the row schema.
 * @param values what was entered so far, by column
 */
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
    const type = typeOf(schemas, options.length > 0);
    return {
      name,
      label: name.replace(/^:/, ''),
      required,
      // The browser shows a date as its user writes dates.
      hint: type === 'date' ? description.replace(dateType.form, '').trim() : description,
      type: isShown(type, value) ? type : 'text',
      options,
      value,
      error: error !== null && fieldOf(error.pointer) === name ? error.message : null,
    };
  });
}

/** A browser shows nothing in a field for dates or numbers that holds something else. */
function isShown(type: RowField['type'], value: string): boolean {
  if (type === 'date') return /^(\d{4}-\d{2}-\d{2})?$/.test(value);
  return type !== 'number' || !Number.isNaN(Number(value));
}

function typeOf(schemas: readonly JsonObject[], hasOptions: boolean): RowField['type'] {
  if (schemas.some(({ type }) => type === 'array')) return hasOptions ? 'checks' : 'area';
  if (hasOptions) return 'select';
  const formats = schemas.map(({ format }) => format);
  if (formats.includes('date')) return 'date';
  // The formats of JSON Schema accept ASCII only, so workflow addresses are recognized by their patterns.
  const patterns = schemas.map(({ pattern }) => pattern);
  if (formats.includes('email') || patterns.includes(EMAIL_PATTERN)) return 'email';
  if (formats.includes('uri') || patterns.includes(URL_PATTERN)) return 'url';
  if (schemas.some(({ type }) => type === 'number' || type === 'integer')) return 'number';
  const texts = schemas.filter(({ type }) => type === 'string');
  return texts.length > 0 && texts.every(isOfAnyLength) ? 'area' : 'text';
}

/** A value with a pattern fits in one line. */
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

/** The schema of a column. If rows can name several actions, the first alternative with the column counts. */
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

/** The prefix of columns among the fields of a form. */
const COLUMN = 'column:';

/** The values of the columns in a form. Several selected options are joined by semicolons, as in CSV. */
export function filledIn(form: unknown, prefix = COLUMN): Map<string, string> {
  const values = new Map<string, string>();
  for (const [field, value] of Object.entries((form ?? {}) as Record<string, unknown>)) {
    if (!field.startsWith(prefix)) continue;
    const texts = [value].flat().filter((text): text is string => typeof text === 'string');
    values.set(field.slice(prefix.length), texts.join(';'));
  }
  return values;
}

/** The row that was entered, without the columns that were left blank. */
export function rowOf(values: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries([...values].filter(([, value]) => value !== '')));
}
