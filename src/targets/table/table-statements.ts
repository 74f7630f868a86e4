import { copyField, type CopyInput, textArray } from '../../platform/database/copy-rows.js';
import type { TargetRow } from './compiled-table.js';
import type { FilledColumn, TableTargetPlan } from './table-plan.js';
import type { ColumnShape, TableName } from './table-shape.js';

/*
 * The statements that bring rows into a table. Rows are copied into a temporary table of texts, which accepts every
 * value, and one statement reads them, so a value that the database refuses fails in one place. A temporary table
 * belongs to the session and is made once; each commit empties it.
 */

/** SQL that quotes a name. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function relation({ schema, table }: TableName): string {
  return `${identifier(schema)}.${identifier(table)}`;
}

const OUTCOMES = 'pg_temp.import_queue_outcomes';

const rowsTable = (plan: TableTargetPlan): string => `pg_temp.import_queue_rows_${plan.columns.length}`;

/** Creates the temporary tables unless the session has them. */
export function createTemporaryTables(plan: TableTargetPlan): string {
  const columns = plan.columns.map((_, index) => `c${index} text`).join(', ');
  return `CREATE TEMPORARY TABLE IF NOT EXISTS import_queue_rows_${plan.columns.length}
            (line bigint, absent text, ${columns}) ON COMMIT DELETE ROWS;
          ${CREATE_OUTCOMES}`;
}

export const CREATE_OUTCOMES = `CREATE TEMPORARY TABLE IF NOT EXISTS import_queue_outcomes
            (line bigint, operation text, reference text, state text, message text, detail text, constraint_name text,
             column_name text) ON COMMIT DELETE ROWS`;

export function emptyTemporaryTables(plan: TableTargetPlan): string {
  return `TRUNCATE ${rowsTable(plan)}, ${OUTCOMES}`;
}

/** The rows as COPY text. `absent` has a 1 for each column that the row says nothing about. */
export function stagedRows(plan: TableTargetPlan, rows: readonly TargetRow[]): CopyInput {
  const lines: string[] = [];
  for (const { line, values } of rows) {
    let absent = '';
    let fields = '';
    for (const value of values) {
      absent += value === undefined ? '1' : '0';
      fields += `\t${copyField(value ?? null)}`;
    }
    lines.push(`${line}\t${absent}${fields}\n`);
  }
  return { into: rowsTable(plan), text: Buffer.from(lines.join('')) };
}

/** Places of the columns that some rows say nothing about. */
export function absentPlaces(rows: readonly TargetRow[]): ReadonlySet<number> {
  const places = new Set<number>();
  for (const { values } of rows) {
    for (let place = 0; place < values.length; place += 1) if (values[place] === undefined) places.add(place);
  }
  return places;
}

/** Creates the rows of other tables that look-ups do not find. @param only the one line to look at, as SQL */
export function createMissing(plan: TableTargetPlan, only: string | null): string[] {
  return plan.columns.flatMap(({ lookup }, place) => {
    if (lookup?.onMissing !== 'create') return [];
    const by = identifier(lookup.by.name);
    const value = `s.c${place}::${lookup.by.castType}`;
    return [
      `INSERT INTO ${relation(lookup)} (${by})
       SELECT DISTINCT ${value} FROM ${rowsTable(plan)} s
        WHERE s.c${place} IS NOT NULL ${only === null ? '' : `AND s.line = ${only}`}
          AND NOT EXISTS (SELECT FROM ${relation(lookup)} l WHERE l.${by} = ${value})
       ON CONFLICT (${by}) DO NOTHING`,
    ];
  });
}

/** The value of a column as the table has it. */
function valueOf({ column, lookup }: FilledColumn, place: number): string {
  if (lookup === null) return `s.c${place}::${column.castType}`;
  const by = identifier(lookup.by.name);
  return `(SELECT l.${identifier(lookup.take)} FROM ${relation(lookup)} l WHERE l.${by} = s.c${place}::${lookup.by.castType})`;
}

/** Rows whose look-up finds nothing. */
function missingLookup(plan: TableTargetPlan): string {
  const places = plan.columns.flatMap(({ lookup }, place) => (lookup === null ? [] : [place]));
  const cases = places.map((place) => `WHEN s.c${place} IS NOT NULL AND v.c${place} IS NULL THEN ${place}`);
  return cases.length === 0 ? 'NULL::integer' : `CASE ${cases.join(' ')} END`;
}

/** The typed rows, each with the place of a look-up that finds nothing. */
function typedRows(plan: TableTargetPlan, from: string, only: string | null): string {
  const values = plan.columns.map((planned, place) => `${valueOf(planned, place)} AS c${place}`).join(', ');
  return `SELECT s.line, s.absent, ${missingLookup(plan)} AS missing, ${plan.columns.map((_, place) => `v.c${place}`).join(', ')}
            FROM ${from} s CROSS JOIN LATERAL (SELECT ${values}) v ${only === null ? '' : `WHERE s.line = ${only}`}`;
}

/** Equal values of some types can be written differently; then the texts decide whether a row changes. */
const BY_TEXT = /^(?:json|interval|timetz|citext|float4|float8)$/;

function isDistinct(column: ColumnShape, left: string, right: string): string {
  const byText = column.isFolded || column.isArray || BY_TEXT.test(column.family ?? '');
  return byText
    ? `${left}::text COLLATE "C" IS DISTINCT FROM ${right}::text COLLATE "C"`
    : `${left} IS DISTINCT FROM ${right}`;
}

function isMatch(plan: TableTargetPlan, left: string, right: string): string {
  return plan.key
    .map((place) => `${left}.${identifier(plan.columns[place]?.column.name ?? '')} = ${right}.c${place}`)
    .join(' AND ');
}

const isAbsent = (place: number): string => `substr(s.absent, ${place + 1}, 1) = '1'`;

function referenceOf(plan: TableTargetPlan, row: string): string {
  if (plan.reference.length === 0) return 'NULL::text';
  return `concat_ws(',', ${plan.reference.map((name) => `${row}.${identifier(name)}`).join(', ')})`;
}

/**
 * Writes the rows and answers what happened to each line: `created`, `updated`, `unchanged`, `matched` (onMatch is not
 * update), `unmatched` (onNoMatch is reject), `missing` (a look-up finds nothing) or `raced` (another transaction has
 * just created the row, so this statement could not see it). A row that would not change is not written.
 * @param absent places of the columns that some rows say nothing about
 */
export function writeRows(plan: TableTargetPlan, absent: ReadonlySet<number>, only: string | null): string {
  const { configuration } = plan;
  const into = relation(configuration);
  const updatable = plan.columns.flatMap((planned, place) =>
    plan.key.includes(place) ? [] : [{ planned, place }],
  );
  const hasKey = plan.key.length > 0;
  const mayUpdate = hasKey && configuration.onMatch === 'update' && updatable.length > 0;
  const mayCreate = configuration.onNoMatch === 'create';
  const parts = [`src AS MATERIALIZED (${typedRows(plan, rowsTable(plan), only)})`];
  if (hasKey) {
    parts.push(`hit AS MATERIALIZED (
      SELECT s.line, ${referenceOf(plan, 't')} AS reference
        FROM src s JOIN ${into} t ON ${isMatch(plan, 't', 's')} WHERE s.missing IS NULL)`);
  }
  if (mayUpdate) {
    const assignments = updatable.map(({ planned: { column }, place }) => {
      const name = identifier(column.name);
      return absent.has(place)
        ? `${name} = CASE WHEN ${isAbsent(place)} THEN t.${name} ELSE s.c${place} END`
        : `${name} = s.c${place}`;
    });
    const changes = updatable.map(({ planned: { column }, place }) => {
      const distinct = isDistinct(column, `t.${identifier(column.name)}`, `s.c${place}`);
      return absent.has(place) ? `(NOT ${isAbsent(place)} AND ${distinct})` : distinct;
    });
    parts.push(`upd AS (
      UPDATE ${into} t SET ${assignments.join(', ')} FROM src s
       WHERE ${isMatch(plan, 't', 's')} AND s.missing IS NULL AND (${changes.join(' OR ')})
      RETURNING s.line)`);
  }
  if (mayCreate) parts.push(insertion(plan, absent, into));
  const created = hasKey ? 'ins.k0 IS NOT NULL' : 's.missing IS NULL';
  const operation = `CASE WHEN s.missing IS NOT NULL THEN 'missing'
      ${mayUpdate ? `WHEN upd.line IS NOT NULL THEN 'updated'` : ''}
      ${hasKey ? `WHEN hit.line IS NOT NULL THEN '${configuration.onMatch === 'update' ? 'unchanged' : 'matched'}'` : ''}
      ${mayCreate ? `WHEN ${created} THEN 'created'` : ''} ELSE '${mayCreate ? 'raced' : 'unmatched'}' END`;
  const references = [
    ...(hasKey ? ['hit.reference'] : []),
    ...(mayCreate && hasKey ? ['ins.reference'] : []),
    's.missing::text',
  ];
  return `WITH ${parts.join(', ')}
    INSERT INTO ${OUTCOMES} (line, operation, reference)
    SELECT s.line, ${operation}, coalesce(${references.join(', ')})
      FROM src s ${hasKey ? 'LEFT JOIN hit ON hit.line = s.line' : ''} ${mayUpdate ? 'LEFT JOIN upd ON upd.line = s.line' : ''}
      ${mayCreate && hasKey ? `LEFT JOIN ins ON ${plan.key.map((place, index) => `ins.k${index} = s.c${place}`).join(' AND ')}` : ''}`;
}

/** The default stands in for a value that the row does not have. In key order, so that two chunks cannot deadlock. */
function insertion(plan: TableTargetPlan, absent: ReadonlySet<number>, into: string): string {
  const hasKey = plan.key.length > 0;
  const names = plan.columns.map(({ column }) => identifier(column.name)).join(', ');
  const values = plan.columns.map(({ column }, place) => {
    if (!absent.has(place)) return `s.c${place}`;
    return `CASE WHEN ${isAbsent(place)} THEN ${column.defaultValue ?? 'NULL'} ELSE s.c${place} END`;
  });
  const key = plan.key.map((place) => identifier(plan.columns[place]?.column.name ?? ''));
  return `ins AS (
      INSERT INTO ${into} AS t (${names})
      SELECT ${values.join(', ')} FROM src s WHERE s.missing IS NULL
        ${hasKey ? `AND NOT EXISTS (SELECT FROM hit WHERE hit.line = s.line)` : ''}
       ORDER BY ${hasKey ? plan.key.map((place) => `s.c${place}`).join(', ') : 's.line'}
      ${hasKey ? `ON CONFLICT (${key.join(', ')}) DO NOTHING` : ''}
      RETURNING ${[...key.map((name, index) => `t.${name} AS k${index}`), `${referenceOf(plan, 't')} AS reference`].join(', ')})`;
}

/** SQLSTATEs that are about the values of a record: data, integrity, limits, views with a check, and triggers. */
const RECORD_STATES = '^(22|23|44|54|P0)';

/**
 * The same for each line by itself. A line that the database refuses leaves nothing behind but the reason. One round
 * trip for all of them, because halving needs many for a set with several bad records.
 */
export function writeRowsOneByOne(plan: TableTargetPlan, absent: ReadonlySet<number>): string {
  const line = 'import_queue_line';
  const statements = [...createMissing(plan, line), writeRows(plan, absent, line)];
  return `DO $import_queue$
    #variable_conflict use_column
    DECLARE
      ${line} bigint;
      import_queue_state text; import_queue_message text; import_queue_detail text; import_queue_constraint text;
      import_queue_column text;
    BEGIN
      FOR ${line} IN SELECT s.line FROM ${rowsTable(plan)} s ORDER BY s.line LOOP
        BEGIN
          ${statements.join(';\n')};
        EXCEPTION WHEN OTHERS THEN
          GET STACKED DIAGNOSTICS import_queue_state = RETURNED_SQLSTATE, import_queue_message = MESSAGE_TEXT,
            import_queue_detail = PG_EXCEPTION_DETAIL, import_queue_constraint = CONSTRAINT_NAME,
            import_queue_column = COLUMN_NAME;
          IF import_queue_state !~ '${RECORD_STATES}' THEN RAISE; END IF;
          INSERT INTO ${OUTCOMES} (line, operation, state, message, detail, constraint_name, column_name)
          VALUES (${line}, 'refused', import_queue_state, import_queue_message, import_queue_detail,
            import_queue_constraint, import_queue_column);
        END;
      END LOOP;
    END $import_queue$`;
}

export const SELECT_OUTCOMES = `SELECT line::integer AS line, operation, reference, state, message, detail,
  constraint_name AS "constraint", column_name AS "column" FROM ${OUTCOMES}`;

export function isRecordState(state: unknown): boolean {
  return typeof state === 'string' && new RegExp(RECORD_STATES).test(state);
}

/** Values as JSON that shows them exactly: a number with many digits, or a moment, is a text. */
function shownAs({ family, isArray }: ColumnShape, value: string): string {
  const isJson = isArray || /^(?:bool|int2|int4|float4|float8|jsonb?)$/.test(family ?? '');
  return `to_jsonb(${isJson ? value : `${value}::text`})`;
}

/** A foreign key to a row that is not there. Keys to the table itself are left out: an earlier row can create it. */
function brokenForeignKey({ shape, columns, configuration }: TableTargetPlan): string {
  const cases = shape.foreignKeys.flatMap((key) => {
    const places = key.columns.map((name) => columns.findIndex(({ column }) => column.name === name));
    if (places.includes(-1) || relation(key) === relation(configuration)) return [];
    const filled = places.map((place) => `s.c${place} IS NOT NULL`).join(' AND ');
    const equal = key.references
      .map((name, index) => `r.${identifier(name)} = s.c${places[index]}`)
      .join(' AND ');
    const name = `'${key.name.replaceAll("'", "''")}'`;
    return [`WHEN ${filled} AND NOT EXISTS (SELECT FROM ${relation(key)} r WHERE ${equal}) THEN ${name}`];
  });
  return cases.length === 0 ? 'NULL::text' : `CASE ${cases.join(' ')} END`;
}

/** What each row would meet, with the values before and after it. Parameters: lines, absent, then one array per column. */
export function previewRows(plan: TableTargetPlan): string {
  const texts = plan.columns.map((_, place) => `$${place + 3}::text[]`).join(', ');
  const names = plan.columns.map((_, place) => `c${place}`).join(', ');
  const hasKey = plan.key.length > 0;
  const before = plan.columns.map(({ column }) => shownAs(column, `t.${identifier(column.name)}`)).join(', ');
  const after = plan.columns.map(({ column }, place) => shownAs(column, `s.c${place}`)).join(', ');
  const changed = plan.columns.map(({ column }, place) =>
    isDistinct(column, `t.${identifier(column.name)}`, `s.c${place}`),
  );
  const first = identifier(plan.columns[plan.key[0] ?? 0]?.column.name ?? '');
  return `WITH sent AS (SELECT * FROM unnest($1::bigint[], $2::text[], ${texts}) AS sent (line, absent, ${names})),
    src AS MATERIALIZED (${typedRows(plan, 'sent', null)})
    SELECT s.line::integer AS line, s.missing, ${brokenForeignKey(plan)} AS broken,
           jsonb_build_array(${after}) AS after,
           ${hasKey ? `t.${first} IS NOT NULL` : 'false'} AS found,
           ${hasKey ? referenceOf(plan, 't') : 'NULL::text'} AS reference,
           ${hasKey ? `jsonb_build_array(${before})` : 'NULL::jsonb'} AS before,
           ${hasKey ? `ARRAY[${changed.join(', ')}]` : 'NULL::boolean[]'} AS changed
      FROM src s ${hasKey ? `LEFT JOIN ${relation(plan.configuration)} t ON ${isMatch(plan, 't', 's')}` : ''}`;
}

/** The parameters of `previewRows`. */
export function previewParameters(plan: TableTargetPlan, rows: readonly TargetRow[]): unknown[] {
  return [
    rows.map(({ line }) => line),
    rows.map(({ values }) => values.map((value) => (value === undefined ? '1' : '0')).join('')),
    ...plan.columns.map((_, place) => textArray(rows.map(({ values }) => values[place] ?? null))),
  ];
}
