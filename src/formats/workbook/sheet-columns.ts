import type { JsonObject } from '../../platform/json/json-value.js';
import type { SheetColumn } from './workbook-writer.js';

/** A column of a workbook for one member of a row: how its cells are written, by the JSON Schema of the row. */
export function sheetColumn(header: string, member: string, { properties }: JsonObject): SheetColumn {
  if (!isObject(properties) || !Object.hasOwn(properties, member)) return { header, kind: 'text' };
  const schemas = alternatives(properties[member]);
  const kind = kindOf(schemas);
  const options = kind === 'text' ? optionsOf(schemas) : [];
  return options.length === 0 ? { header, kind } : { header, kind, options };
}

function kindOf(schemas: readonly JsonObject[]): SheetColumn['kind'] {
  if (schemas.some(({ format }) => format === 'date')) return 'date';
  const types = schemas.flatMap(({ type }) => type);
  if (types.includes('number') || types.includes('integer')) return 'number';
  return types.includes('boolean') ? 'boolean' : 'text';
}

/** The options of a pick list. A schema also accepts the JSON forms of options such as `1`; a cell holds their text. */
function optionsOf(schemas: readonly JsonObject[]): string[] {
  const values = schemas.flatMap((schema) => (Array.isArray(schema.enum) ? schema.enum : []));
  return [...new Set(values.filter((value) => typeof value === 'string'))];
}

/** A schema and all schemas of which one must hold. */
function alternatives(schema: unknown): JsonObject[] {
  if (!isObject(schema)) return [];
  const nested = [schema.anyOf, schema.oneOf].flatMap((each) => (Array.isArray(each) ? each : []));
  return [schema, ...nested.flatMap(alternatives)];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
