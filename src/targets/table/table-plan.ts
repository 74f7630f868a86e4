import { nearestName } from '../../platform/wording.js';
import type { ConfigurationProblem } from '../../records/target.js';
import { ValueError } from '../../workflows/rows/values/value-type.js';
import { columnValues, readableChecks } from './column-values.js';
import type { ColumnValues } from './plain-values.js';
import {
  type LookupConfiguration,
  type RefusePlace,
  refusing,
  type TableConfiguration,
  tablesOf,
} from './table-configuration.js';
import type { ColumnShape, TableName, TableShape } from './table-shape.js';

/** The shapes of all tables that a configuration names, by `tableKey`. */
export type TableShapes = Readonly<Record<string, TableShape>>;

export function tableKey({ schema, table }: TableName): string {
  return JSON.stringify([schema, table]);
}

/** Finds the value of a column in another table. */
interface PlannedLookup extends TableName {
  by: ColumnShape;
  take: string;
  onMissing: 'fail' | 'create';
}

/** A column that records write. */
export interface FilledColumn {
  column: ColumnShape;
  /** The member of the row; `null` for a constant. */
  field: string | null;
  /** How its values are read; for a look-up, those of the column that it looks in. */
  values: ColumnValues;
  constant: string | null;
  isRequired: boolean;
  lookup: PlannedLookup | null;
}

/** What an import process does with the columns of a table. */
export interface TableTargetPlan {
  configuration: TableConfiguration;
  shape: TableShape;
  columns: readonly FilledColumn[];
  /** Places in `columns`, in the order of the unique constraint; empty: every record creates a row. */
  key: readonly number[];
  /** Columns whose values name a row in outcomes. */
  reference: readonly string[];
  /** Unique constraints by places in `columns`: records that share their values are processed in order. */
  uniques: readonly (readonly number[])[];
}

/** Fits the configuration to the tables as they are. `null` if problems were found. */
export function planTable(
  configuration: TableConfiguration,
  shapes: TableShapes,
  problems: ConfigurationProblem[],
): TableTargetPlan | null {
  const refuse = refusing(problems);
  const { schema, table } = configuration;
  const shape = shapes[tableKey({ schema, table })];
  for (const { name, place } of tablesOf(configuration)) {
    if (shapes[tableKey(name)] !== undefined) continue;
    const where = `${name.schema}.${name.table}`;
    refuse(
      place,
      'unknown_table',
      `must name a table that imports may fill; ${where} is not among those of the connection "${configuration.connection}"`,
    );
  }
  if (shape === undefined || problems.length > 0) return null;
  const columns = [
    ...mappedColumns(configuration, shape, shapes, refuse),
    ...constantColumns(configuration, shape, refuse),
  ];
  refuseRepeated(columns, refuse);
  refuseUnfilled(configuration, shape, columns, refuse);
  const placeOf = (name: string) => columns.findIndex(({ column }) => column.name === name);
  const key = keyOf(configuration, shape, placeOf, refuse);
  if (problems.length > 0) return null;
  const uniques = shape.uniques
    .map((unique) => unique.columns.map(placeOf))
    .filter((places) => !places.includes(-1));
  const primary = shape.uniques.find(({ isPrimary }) => isPrimary)?.columns;
  return {
    configuration,
    shape,
    columns: columns.map((each, place) =>
      key.includes(place) ? { ...each, isRequired: each.field !== null } : each,
    ),
    key,
    reference: primary ?? configuration.key ?? [],
    uniques,
  };
}

function mappedColumns(
  { columns, lookup, schema, onNoMatch }: TableConfiguration,
  shape: TableShape,
  shapes: TableShapes,
  refuse: RefusePlace,
): FilledColumn[] {
  const offered = shape.columns.filter(({ family, isGenerated }) => family !== null && !isGenerated);
  const entries =
    columns === null ? offered.map(({ name }) => [name, name] as const) : Object.entries(columns);
  const planned: FilledColumn[] = [];
  for (const field of Object.keys(lookup)) {
    if (!entries.some(([name]) => name === field))
      refuse(['lookup', field], 'unknown_field', 'is not a field of columns');
  }
  for (const [field, name] of entries) {
    const place = ['columns', field];
    if (RESERVED.includes(field) || field === '') {
      refuse(place, 'reserved_name', 'is not a usable name of a field');
      continue;
    }
    const column = writable(shape, name, (code, message) => refuse(place, code, message));
    if (column === null) continue;
    const each = lookup[field];
    const found = each === undefined ? null : planLookup(field, { schema, ...each }, shapes, column, refuse);
    if (each !== undefined && found === null) continue;
    planned.push({
      column,
      field,
      values: found === null ? valuesOf(shape, column) : columnValues(found.by, {}),
      constant: null,
      isRequired: onNoMatch === 'create' && column.notNull && column.defaultValue === null,
      lookup: found,
    });
  }
  if (entries.length === 0) refuse(['columns'], 'required', 'must map at least one field to a column');
  return planned;
}

function valuesOf(shape: TableShape, column: ColumnShape): ColumnValues {
  const own = shape.constraints.filter(({ columns }) => columns.length === 1 && columns[0] === column.name);
  return columnValues(
    column,
    column.isArray
      ? {}
      : readableChecks(
          column,
          own.map(({ definition }) => definition),
        ),
  );
}

function writable(
  shape: TableShape,
  name: string,
  refuse: (code: string, message: string) => void,
): ColumnShape | null {
  const column = shape.columns.find((each) => each.name === name);
  if (column === undefined) {
    const nearest = nearestName(
      name,
      shape.columns.map((each) => each.name),
    );
    refuse(
      'unknown_column',
      `must name a column of the table, which has no ${JSON.stringify(name)}${nearest === undefined ? '' : `; did you mean ${JSON.stringify(nearest)}?`}`,
    );
    return null;
  }
  if (column.isGenerated) {
    refuse(
      'generated_column',
      `must name a column that can be written; the database generates ${JSON.stringify(name)}`,
    );
    return null;
  }
  if (column.family === null) {
    refuse(
      'unsupported_type',
      `must name a column of a type that rows can have; ${JSON.stringify(name)} is ${column.type}`,
    );
    return null;
  }
  return column;
}

const RESERVED = ['_line', '_status', '_error', '_batch'];
const INTEGERS: ReadonlySet<string | null> = new Set(['int2', 'int4', 'int8']);

function planLookup(
  field: string,
  { schema, table, by, take, onMissing }: LookupConfiguration & { schema: string },
  shapes: TableShapes,
  target: ColumnShape,
  refuse: RefusePlace,
): PlannedLookup | null {
  const shape = shapes[tableKey({ schema, table })];
  const found = shape?.columns.find(({ name }) => name === by);
  const taken = shape?.columns.find(({ name }) => name === take);
  const place = (member: string) => ['lookup', field, member];
  if (shape === undefined || found === undefined || found.family === null || found.isArray) {
    refuse(place('by'), 'unknown_column', `must name a column of ${schema}.${table} with single values`);
    return null;
  }
  if (taken === undefined) {
    refuse(place('take'), 'unknown_column', `must name a column of ${schema}.${table}`);
    return null;
  }
  const isAlike =
    taken.castType === target.castType || (INTEGERS.has(taken.family) && INTEGERS.has(target.family));
  if (!isAlike)
    refuse(place('take'), 'wrong_type', `is ${taken.type}, but the column ${target.name} is ${target.type}`);
  if (!shape.uniques.some(({ columns }) => columns.length === 1 && columns[0] === by))
    refuse(
      place('by'),
      'not_unique',
      `must have a unique constraint of its own, so that a value finds one row`,
    );
  const unfilled = shape.columns.filter(
    (column) => column.name !== by && column.notNull && column.defaultValue === null && !column.isGenerated,
  );
  if (onMissing === 'create' && (unfilled.length > 0 || found.isGenerated))
    refuse(
      place('onMissing'),
      'required_columns',
      `must be fail: a new row of ${schema}.${table} needs more than ${by}`,
    );
  return { schema, table, by: found, take, onMissing };
}

function constantColumns(
  { constants }: TableConfiguration,
  shape: TableShape,
  refuse: RefusePlace,
): FilledColumn[] {
  return Object.entries(constants).flatMap(([name, value]): FilledColumn[] => {
    const column = writable(shape, name, (code, message) => refuse(['constants', name], code, message));
    if (column === null) return [];
    const values = valuesOf(shape, column);
    const text = value === null ? null : values.read(value, () => JSON.stringify(value));
    if (text instanceof ValueError) {
      refuse(['constants', name], text.code, text.rule);
      return [];
    }
    if (text === null && column.notNull) refuse(['constants', name], 'required', 'must have a value');
    return [{ column, field: null, values, constant: text, isRequired: false, lookup: null }];
  });
}

function refuseRepeated(columns: readonly FilledColumn[], refuse: RefusePlace): void {
  const seen = new Set<string>();
  for (const { column, field } of columns) {
    const place = field === null ? ['constants', column.name] : ['columns', field];
    if (seen.has(column.name))
      refuse(
        place,
        'column_twice',
        `fills the column ${JSON.stringify(column.name)}, which another entry fills already`,
      );
    seen.add(column.name);
  }
}

function refuseUnfilled(
  { onNoMatch, schema, table }: TableConfiguration,
  shape: TableShape,
  columns: readonly FilledColumn[],
  refuse: RefusePlace,
): void {
  if (onNoMatch !== 'create') return;
  const filled = new Set(columns.map(({ column }) => column.name));
  for (const { name, notNull, defaultValue, isGenerated } of shape.columns) {
    if (!notNull || defaultValue !== null || isGenerated || filled.has(name)) continue;
    refuse(
      ['columns'],
      'required_column',
      `must fill the column ${JSON.stringify(name)} of ${schema}.${table}, which is NOT NULL and has no default`,
    );
  }
}

function keyOf(
  { key }: TableConfiguration,
  shape: TableShape,
  placeOf: (name: string) => number,
  refuse: RefusePlace,
): number[] {
  if (key === null) return [];
  for (const [index, name] of key.entries()) {
    if (placeOf(name) === -1)
      refuse(
        ['key', index],
        'not_filled',
        `(${JSON.stringify(name)}) must be a column that columns or constants fill`,
      );
  }
  const wanted = [...new Set(key)].sort().join('\n');
  const unique = shape.uniques.find(({ columns }) => [...columns].sort().join('\n') === wanted);
  if (unique === undefined) {
    const known = shape.uniques.map(({ columns }) => columns.join(', ')).join('; ') || 'none';
    refuse(
      ['key'],
      'not_unique',
      `must be the columns of a unique constraint that is not deferrable; the table has: ${known}`,
    );
  }
  return (unique?.columns ?? []).map(placeOf);
}
