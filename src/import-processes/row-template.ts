import type { JsonObject, JsonValue } from '../common/json.js';
import { csvLine } from '../import-queue/results/csv-cells.js';
import type { CompiledTarget, RowColumn } from '../targets/target.js';

export type TemplateFormat = 'csv' | 'jsonl';

type Row = Pick<CompiledTarget, 'columns' | 'schema'>;

/** A file to begin from: the columns, and one example row that passes the rules as far as one can be made up. */
export function rowTemplate({ columns, schema }: Row, format: TemplateFormat): string {
  if (format === 'csv') {
    return csvLine(columns.map(({ name }) => name)) + csvLine(columns.map(({ example }) => example));
  }
  const members = columns.map((column): [string, JsonValue] => [column.name, jsonExample(column, schema)]);
  return `${JSON.stringify(Object.fromEntries(members))}\n`;
}

/** The example is CSV text; where the schema wants no string, it is meant as the JSON it spells. */
function jsonExample({ name, example }: RowColumn, schema: JsonObject): JsonValue {
  const { properties } = schema;
  if (!isObject(properties) || !Object.hasOwn(properties, name)) return example;
  const property = properties[name];
  if (!isObject(property) || property.type === undefined) return example;
  if ([property.type].flat().includes('string')) return example;
  try {
    return JSON.parse(example) as JsonValue;
  } catch {
    return example;
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
