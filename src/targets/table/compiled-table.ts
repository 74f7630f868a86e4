import { jsonMembers } from '../../formats/json/json-members.js';
import { compileJsonSchema } from '../../platform/json/json-schema.js';
import { jsonPointer } from '../../platform/wording.js';
import { type JsonObject, type JsonValue } from '../../platform/json/json-value.js';
import { isUnnamedColumn } from '../../records/rows.js';
import {
  type CompiledTarget,
  type ImportRecord,
  MOST_ERRORS,
  type RecordError,
  type RowColumn,
} from '../../records/target.js';
import { embedded } from '../../workflows/rows/action-plan.js';
import {
  columnError,
  keptPointer,
  NearestName,
  NumberText,
  quoted,
  rowError,
  RowSource,
  shortened,
  shown,
  ValueError,
} from '../../workflows/rows/values/value-type.js';
import type { FilledColumn, TableTargetPlan } from './table-plan.js';

/** A row as the database receives it. */
export interface TargetRow {
  line: number;
  /** One for each column of the plan; `undefined`: the row says nothing about the column. */
  values: readonly (string | null | undefined)[];
  /** The same for all rows that can be about one row of the table; `null` without a key. */
  match: string | null;
}

/** An import process of the kind `table`, ready to read rows. */
export interface CompiledTable extends CompiledTarget {
  readonly plan: TableTargetPlan;
  /** Pass 2 of a record that passed `checkRow`: the same rules, and the values. */
  parseRow(record: ImportRecord): { row: TargetRow } | { error: RecordError };
}

interface Field extends FilledColumn {
  place: number;
  literal: NumberText | null;
}

const NO_KEYS: readonly string[] = [];

/** A row of a table costs a fraction of what an instance of a workflow costs, as docs/performance.md shows. */
const CHUNK_FACTOR = 4;

/** Compiles the rules of an import process for many rows. */
export function compileTable(plan: TableTargetPlan, recordSchema: JsonObject | null): CompiledTable {
  const fields = new Map<string, Field>();
  for (const [place, planned] of plan.columns.entries()) {
    if (planned.field === null) continue;
    const isJson = planned.column.isArray || /^jsonb?$/.test(planned.column.family ?? '');
    fields.set(planned.field, { ...planned, place, literal: isJson ? null : new NumberText(planned.field) });
  }
  const nearest = new NearestName(fields.keys());
  const required = [...fields.values()].filter(({ isRequired }) => isRequired);
  const constants = plan.columns.map(({ field, constant }) => (field === null ? constant : undefined));
  const violates = recordSchema === null ? null : compileJsonSchema(recordSchema);

  const read = (
    row: JsonObject,
    raw: string,
  ): { values: (string | null | undefined)[]; errors: RecordError[] } => {
    const values = [...constants];
    const errors: RecordError[] = [];
    const source = new RowSource(raw);
    for (const name of Object.keys(row)) {
      const value = row[name] ?? null;
      const field = fields.get(name);
      if (field === undefined) {
        if (value !== '' || !isUnnamedColumn(name)) errors.push(unknownField(name, nearest));
        continue;
      }
      const text = readField(field, value, source, raw);
      if (text instanceof ValueError) errors.push(described(text, name, value, source));
      else if (text === null && isObligatory(field)) errors.push(missing(field));
      else values[field.place] = text;
    }
    for (const field of required) {
      if (!Object.hasOwn(row, field.field ?? '')) errors.push(missing(field));
    }
    const violation = errors.length === 0 ? (violates?.(row) ?? null) : null;
    if (violation !== null) errors.push(schemaError(violation));
    return { values, errors: errors.slice(0, MOST_ERRORS) };
  };
  const keyOf = (
    places: readonly number[],
    values: readonly (string | null | undefined)[],
  ): string | null => {
    const parts = places.map((place) => canonicalOf(plan.columns[place], values[place]));
    if (parts.includes(null)) return null;
    return parts.length === 1 ? (parts[0] ?? null) : JSON.stringify(parts);
  };

  return {
    plan,
    chunkFactor: CHUNK_FACTOR,
    columns: [...fields.values()].map(rowColumn),
    schema: rowSchema(plan, recordSchema),

    checkRow(row, raw) {
      const { values, errors } = read(row, raw);
      const [error] = errors;
      if (error !== undefined)
        return errors.length === 1
          ? { error, orderingKeys: NO_KEYS }
          : { error, errors, orderingKeys: NO_KEYS };
      const orderingKeys = plan.uniques.flatMap((places, index) => {
        const key = keyOf(places, values);
        return key === null ? [] : [`${index} ${key}`];
      });
      return { error: null, orderingKeys };
    },

    parseRow({ line, payload }) {
      const { values, errors } = read(JSON.parse(payload) as JsonObject, payload);
      const [error] = errors;
      if (error !== undefined) return { error };
      return { row: { line, values, match: plan.key.length === 0 ? null : keyOf(plan.key, values) } };
    },
  };
}

/** `null`: the row does not say which row of the table it is about, or not in this constraint. */
function canonicalOf(planned: FilledColumn | undefined, text: string | null | undefined): string | null {
  if (planned === undefined || text === null || text === undefined) return null;
  // Two values can find the same one.
  return planned.lookup === null ? planned.values.canonical(text) : '';
}

function readField(
  { values, literal, column, field }: Field,
  value: JsonValue,
  source: RowSource,
  raw: string,
): string | null | ValueError {
  if (value === null) return null;
  // An empty cell: only a text can be empty.
  if (
    value === '' &&
    !(values.kind === 'text' && /^(?:text|varchar|bpchar|citext)$/.test(column.family ?? ''))
  )
    return null;
  const name = field ?? '';
  const text = values.read(value, () => {
    if (literal === null) return jsonMembers(raw).get(name) ?? JSON.stringify(value);
    return typeof value === 'number' ? literal.of(value, source) : JSON.stringify(value);
  });
  if (
    typeof text === 'string' &&
    source.mayBeUnstorable &&
    literal !== null &&
    (text.includes('\u0000') || !text.isWellFormed())
  )
    return UNSTORABLE;
  return text;
}

const UNSTORABLE = new ValueError(
  'unstorable_text',
  'must not contain U+0000 or half of a surrogate pair, which the database cannot store',
  false,
);

function isObligatory({ column, isRequired }: Field): boolean {
  return isRequired || column.notNull;
}

function missing({ field, values }: Field): RecordError {
  return columnError(field ?? '', 'required', `is required and must have a value: ${values.form}`);
}

function unknownField(name: string, nearest: NearestName): RecordError {
  return columnError(name, 'unknown_column', `is not a field of this import process.${nearest.hint(name)}`);
}

function described(error: ValueError, name: string, value: JsonValue, source: RowSource): RecordError {
  const { code, rule, showsFound, hint } = error;
  if (!showsFound) return columnError(name, code, `${rule}${hint}`);
  const found = typeof value === 'number' ? shortened(source.numberText(name, value)) : shown(value);
  return columnError(name, code, `${rule}; found ${found}`);
}

function schemaError({ pointer, message }: { pointer: string; message: string }): RecordError {
  const place = pointer === '' ? 'the row' : quoted(pointer);
  return rowError('record_schema', `${place} ${message}`, pointer === '' ? undefined : keptPointer(pointer));
}

function rowColumn({ field, values, column, isRequired, lookup }: Field): RowColumn {
  const where = lookup === null ? `the column ${column.name}` : `${lookup.table}, found by ${lookup.by.name}`;
  return {
    name: field ?? '',
    required: isRequired,
    kind: values.kind,
    ...(values.options === undefined ? {} : { options: values.options }),
    description: `${values.form}; ${where}`,
    example: values.example,
  };
}

function rowSchema({ columns, configuration }: TableTargetPlan, recordSchema: JsonObject | null): JsonObject {
  const properties: JsonObject = {};
  const required: string[] = [];
  for (const planned of columns) {
    const { field, values, column, isRequired } = planned;
    if (field === null) continue;
    const alternatives = [...values.schemas];
    if (!column.notNull && !isRequired) alternatives.push({ type: 'null' }, { const: '' });
    properties[field] = {
      ...(alternatives.length === 1 ? alternatives[0] : { anyOf: alternatives }),
      description: values.form,
    };
    if (isRequired) required.push(field);
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `${configuration.schema}.${configuration.table}`,
    type: 'object',
    properties,
    required,
    additionalProperties: false,
    ...(recordSchema === null ? {} : { allOf: [embedded(recordSchema, 'record-schema')] }),
  };
}

/** The field of a row that fills a column, as a pointer. */
export function pointerTo(plan: TableTargetPlan, column: string): { field: string; pointer: string } | null {
  const field = plan.columns.find((each) => each.column.name === column)?.field ?? null;
  return field === null ? null : { field, pointer: keptPointer(jsonPointer(field)) ?? '' };
}
