import { CopyBuffer, copyField, type CopyInput, integerArray } from '../../platform/database/copy-rows.js';
import { insertEntries, type LoggedChunk, rowKeyOf } from './change-log.sql.js';
import type { TargetRow } from './compiled-table.js';
import type { FilledColumn, TableTargetPlan } from './table-plan.js';
import { type ColumnShape, identifier, relation } from './table-shape.js';

/*
 * The statements that bring rows into a table. Rows are copied into a temporary table of texts, which accepts every
 * value, and one statement reads them, so a value that the database refuses fails in one place. A temporary table
 * belongs to the session and is made once; each commit empties it.
 */

const OUTCOMES = 'pg_temp.import_queue_outcomes';

const rowsTable = (plan: TableTargetPlan): string => `pg_temp.import_queue_rows_${plan.columns.length}`;

/** Creates the temporary table for rows unless the session has it. */
export function createRowsTable(plan: TableTargetPlan): string {
  const columns = plan.columns.map((_, index) => `c${index} text`).join(', ');
  return `CREATE TEMPORARY TABLE IF NOT EXISTS import_queue_rows_${plan.columns.length}
            (line bigint, absent text, ${columns}) ON COMMIT DELETE ROWS`;
}

const CREATE_OUTCOMES = `CREATE TEMPORARY TABLE IF NOT EXISTS import_queue_outcomes
            (line bigint, operation text, reference text, state text, message text, detail text, constraint_name text,
             column_name text) ON COMMIT DELETE ROWS`;

export function emptyRowsTable(plan: TableTargetPlan): string {
  return `TRUNCATE ${rowsTable(plan)}`;
}

/** Deletes the rows of all other lines. */
export function keepRows(plan: TableTargetPlan, lines: readonly number[]): string {
  return `DELETE FROM ${rowsTable(plan)} WHERE line <> ALL ('${integerArray(lines)}')`;
}

/** Rows of which no two are about one row of the table, as they are copied into the temporary table. */
export class StagedRows {
  private readonly rows: CopyBuffer;
  /** How many there are. */
  count = 0;
  /** Places of the columns that some rows say nothing about. */
  readonly absent = new Set<number>();

  constructor(
    private readonly plan: TableTargetPlan,
    expected: number,
  ) {
    this.rows = new CopyBuffer(expected);
  }

  /** `absent` has a 1 for each column that the row says nothing about; it is empty if there is none. */
  add({ line, values }: TargetRow): void {
    let fields = '';
    let isPartial = false;
    for (const value of values) {
      isPartial ||= value === undefined;
      fields += `\t${copyField(value ?? null)}`;
    }
    this.rows.add(`${line}\t${isPartial ? this.absentOf(values) : ''}${fields}`);
    this.count += 1;
  }

  private absentOf(values: TargetRow['values']): string {
    let marks = '';
    for (let place = 0; place < values.length; place += 1) {
      marks += values[place] === undefined ? '1' : '0';
      if (values[place] === undefined) this.absent.add(place);
    }
    return marks;
  }

  get copy(): CopyInput {
    return { into: rowsTable(this.plan), rows: this.rows.bytes };
  }
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
export function typedRows(plan: TableTargetPlan, from: string, only: string | null): string {
  const values = plan.columns.map((planned, place) => `${valueOf(planned, place)} AS c${place}`).join(', ');
  return `SELECT s.line, s.absent, ${missingLookup(plan)} AS missing, ${plan.columns.map((_, place) => `v.c${place}`).join(', ')}
            FROM ${from} s CROSS JOIN LATERAL (SELECT ${values}) v ${only === null ? '' : `WHERE s.line = ${only}`}`;
}

/** Equal values of some types can be written differently; then the texts decide whether a row changes. */
const BY_TEXT = /^(?:json|interval|timetz|citext|float4|float8)$/;

export function isDistinct(column: ColumnShape, left: string, right: string): string {
  const byText = column.isFolded || column.isArray || BY_TEXT.test(column.family ?? '');
  return byText
    ? `${left}::text COLLATE "C" IS DISTINCT FROM ${right}::text COLLATE "C"`
    : `${left} IS DISTINCT FROM ${right}`;
}

export function isMatch(plan: TableTargetPlan, left: string, right: string): string {
  return plan.key
    .map((place) => `${left}.${identifier(plan.columns[place]?.column.name ?? '')} = ${right}.c${place}`)
    .join(' AND ');
}

const isAbsent = (place: number): string => `substr(s.absent, ${place + 1}, 1) = '1'`;

export function referenceOf(plan: TableTargetPlan, row: string): string {
  if (plan.reference.length === 0) return 'NULL::text';
  return `concat_ws(',', ${plan.reference.map((name) => `${row}.${identifier(name)}`).join(', ')})`;
}

/** What became of a row, each as the letter that stands for it in the statements. */
const OPERATIONS = {
  created: 'c',
  updated: 'u',
  unchanged: 'n',
  /** `onMatch` is not `update`. */
  matched: 'm',
  /** `onNoMatch` is `reject`. */
  unmatched: 'x',
  /** A look-up finds nothing. */
  missing: 'l',
  /** Another transaction has just created the row, so the statement could not see it. */
  raced: 'r',
  refused: 'f',
} as const;

export type RowOperation = keyof typeof OPERATIONS;

const OF_LETTER = new Map<string, RowOperation>(
  Object.entries(OPERATIONS).map(([operation, letter]) => [letter, operation as RowOperation]),
);

/** @param letter as a statement answers it */
export function operationOf(letter: string): RowOperation {
  const operation = OF_LETTER.get(letter);
  if (operation === undefined) throw new Error(`no operation has the letter ${letter}`);
  return operation;
}

export type OnRace = 'fail' | 'answer';

/**
 * Writes the rows and answers their lines, the letters of their operations and their references, each as one text: the
 * driver would take longer to read a row for each than PostgreSQL does to write it. A row that would not change is not
 * written.
 * The temporary table has no statistics, so each step is written such that no plan can be a bad one: a row is looked up
 * once, by its key, and later steps read what was found.
 * @param absent places of the columns that some rows say nothing about
 * @param onRace a row that another transaction creates at the same time is answered as `raced`, or fails all rows with
 *   `unique_violation`, which takes less time if it does not happen
 */
export function writeRows(
  plan: TableTargetPlan,
  absent: ReadonlySet<number>,
  log: LoggedChunk | null,
  onRace: OnRace,
): string {
  const { parts, select } = writing(plan, absent, log, onRace);
  return `WITH ${parts.join(', ')}
    SELECT array_agg(line), string_agg(operation, ''), json_agg(reference)
      FROM (${select}) AS written (line, operation, reference)`;
}

function writing(
  plan: TableTargetPlan,
  absent: ReadonlySet<number>,
  log: LoggedChunk | null,
  onRace: OnRace,
  only: string | null = null,
): { parts: string[]; select: string } {
  const { configuration } = plan;
  const hasKey = plan.key.length > 0;
  const updatable = plan.columns.flatMap((planned, place) =>
    plan.key.includes(place) ? [] : [{ planned, place }],
  );
  const mayUpdate = hasKey && configuration.onMatch === 'update' && updatable.length > 0;
  const mayCreate = configuration.onNoMatch === 'create';
  const parts = [`src AS (${typedRows(plan, rowsTable(plan), only)} ${inKeyOrder(plan)})`];
  if (hasKey)
    parts.push(`seen AS MATERIALIZED (${seenRows(plan, absent, mayUpdate ? updatable : [], log !== null)})`);
  // The image before is that of the version that was seen: another one makes the row raced, so it is looked at again.
  const sameVersion = log === null ? '' : 'AND t.ctid = s.version AND t.tableoid = s.part';
  const image = log === null ? '' : `, ${rowKeyOf(plan, 't')} AS row_key, row_to_json(t) AS after`;
  if (mayUpdate) {
    const assignments = updatable.map(({ planned: { column }, place }) => {
      const name = identifier(column.name);
      return absent.has(place)
        ? `${name} = CASE WHEN ${isAbsent(place)} THEN t.${name} ELSE s.c${place} END`
        : `${name} = s.c${place}`;
    });
    parts.push(`upd AS (
      UPDATE ${relation(configuration)} t SET ${assignments.join(', ')} FROM seen s WHERE s.changes AND ${isMatch(plan, 't', 's')} ${sameVersion}
      RETURNING s.line${image})`);
  }
  if (mayCreate) parts.push(insertion(plan, absent, image, onRace));
  if (log !== null) parts.push(`logged AS (${loggedRows(plan, log, mayUpdate, mayCreate)})`);
  const missing = hasLookups(plan) ? `WHEN s.missing IS NOT NULL THEN '${OPERATIONS.missing}'` : '';
  // A row to change that was not changed has got another key meanwhile, or was deleted.
  const operation = hasKey
    ? `CASE ${missing}
      ${mayUpdate ? `WHEN upd.line IS NOT NULL THEN '${OPERATIONS.updated}' WHEN s.changes THEN '${OPERATIONS.raced}'` : ''}
      WHEN s.found THEN '${OPERATIONS[configuration.onMatch === 'update' ? 'unchanged' : 'matched']}'
      ${mayCreate ? `WHEN ins.k0 IS NOT NULL THEN '${OPERATIONS.created}'` : ''} ELSE '${OPERATIONS[mayCreate ? 'raced' : 'unmatched']}' END`
    : `CASE ${missing} WHEN true THEN '${OPERATIONS.created}' END`;
  const references = [
    ...(hasKey ? ['s.reference'] : []),
    ...(mayCreate && hasKey ? ['ins.reference'] : []),
    's.missing::text',
  ];
  const select = `SELECT s.line, ${operation}, coalesce(${references.join(', ')})
      FROM ${hasKey ? 'seen' : 'src'} s ${mayUpdate ? 'LEFT JOIN upd ON upd.line = s.line' : ''}
      ${mayCreate && hasKey ? `LEFT JOIN ins ON ${plan.key.map((place, index) => `ins.k${index} = s.c${place}`).join(' AND ')}` : ''}`;
  return { parts, select };
}

const hasLookups = ({ columns }: TableTargetPlan): boolean => columns.some(({ lookup }) => lookup !== null);

/** So that two chunks that write the same rows cannot deadlock. By bytes, which costs less than by language. */
function inKeyOrder({ key }: TableTargetPlan): string {
  return `ORDER BY ${key.length === 0 ? 's.line' : key.map((place) => `s.c${place} COLLATE "C"`).join(', ')}`;
}

/**
 * The rows with the row of the table that each is about: whether there is one, its reference, and whether it would
 * change. The LIMIT makes PostgreSQL look each of them up in the index of the key.
 */
function seenRows(
  plan: TableTargetPlan,
  absent: ReadonlySet<number>,
  updatable: readonly { planned: FilledColumn; place: number }[],
  isLogged: boolean,
): string {
  const differences = updatable.map(({ planned: { column }, place }) => {
    const distinct = isDistinct(column, `r.${identifier(column.name)}`, `s.c${place}`);
    return absent.has(place) ? `(NOT ${isAbsent(place)} AND ${distinct})` : distinct;
  });
  const changes = differences.length === 0 ? 'false' : `(${differences.join(' OR ')})`;
  return `SELECT s.*, t.reference, coalesce(t.changes, false) AS changes, t.changes IS NOT NULL AS found
        ${isLogged ? ', t.before, t.version, t.part' : ''}
      FROM src s LEFT JOIN LATERAL (
        SELECT ${referenceOf(plan, 'r')} AS reference, ${changes} AS changes
            ${isLogged ? ', row_to_json(r) AS before, r.ctid AS version, r.tableoid AS part' : ''} FROM ${relation(plan.configuration)} r
         WHERE ${isMatch(plan, 'r', 's')} ${hasLookups(plan) ? 'AND s.missing IS NULL' : ''} LIMIT 1) t ON true`;
}

/** The entries of the log for rows that were written. */
function loggedRows(plan: TableTargetPlan, log: LoggedChunk, mayUpdate: boolean, mayCreate: boolean): string {
  const isCreated = plan.key.map((place, index) => `ins.k${index} = s.c${place}`).join(' AND ');
  const parts = [
    ...(mayUpdate
      ? ['SELECT s.line::integer, upd.row_key, s.before, upd.after FROM upd JOIN seen s ON s.line = upd.line']
      : []),
    ...(mayCreate
      ? [`SELECT s.line::integer, ins.row_key, NULL::json, ins.after FROM ins JOIN seen s ON ${isCreated}`]
      : []),
  ];
  return insertEntries(log, plan, null, parts.join(' UNION ALL '));
}

/** The default stands in for a value that the row does not have. */
function insertion(
  plan: TableTargetPlan,
  absent: ReadonlySet<number>,
  image: string,
  onRace: OnRace,
): string {
  const hasKey = plan.key.length > 0;
  const names = plan.columns.map(({ column }) => identifier(column.name)).join(', ');
  const values = plan.columns.map(({ column }, place) => {
    if (!absent.has(place)) return `s.c${place}`;
    return `CASE WHEN ${isAbsent(place)} THEN ${column.defaultValue ?? 'NULL'} ELSE s.c${place} END`;
  });
  const key = plan.key.map((place) => identifier(plan.columns[place]?.column.name ?? ''));
  const conditions = [
    ...(hasLookups(plan) ? ['s.missing IS NULL'] : []),
    ...(hasKey ? ['NOT s.found'] : []),
    'true',
  ];
  return `ins AS (
      INSERT INTO ${relation(plan.configuration)} AS t (${names})
      SELECT ${values.join(', ')} FROM ${hasKey ? 'seen' : 'src'} s WHERE ${conditions.join(' AND ')}
      ${hasKey && onRace === 'answer' ? `ON CONFLICT (${key.join(', ')}) DO NOTHING` : ''}
      RETURNING ${[...key.map((name, index) => `t.${name} AS k${index}`), `${referenceOf(plan, 't')} AS reference`].join(', ')}${image})`;
}

/** SQLSTATEs that are about the values of a record: data, integrity, limits, views with a check, and triggers. */
const RECORD_STATES = '^(22|23|44|54|P0)';

/**
 * The same for each line by itself, after the failure of all. A line that the database refuses leaves nothing behind but
 * the reason: further values of its answer are state, message, detail, constraint and column. One round trip for all of
 * them, because halving needs many for a set with several bad records.
 */
export function writeRowsOneByOne(
  plan: TableTargetPlan,
  absent: ReadonlySet<number>,
  log: LoggedChunk | null,
): string[] {
  const line = 'import_queue_line';
  const { parts, select } = writing(plan, absent, log, 'answer', line);
  const statements = [
    ...createMissing(plan, line),
    `WITH ${parts.join(', ')} INSERT INTO ${OUTCOMES} (line, operation, reference) ${select}`,
  ];
  const loop = `DO $import_queue$
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
          VALUES (${line}, '${OPERATIONS.refused}', import_queue_state, import_queue_message, import_queue_detail,
            import_queue_constraint, import_queue_column);
        END;
      END LOOP;
    END $import_queue$`;
  const answer = `SELECT line, operation, reference, state, message, detail, constraint_name, column_name FROM ${OUTCOMES}`;
  return [CREATE_OUTCOMES, `TRUNCATE ${OUTCOMES}`, loop, answer];
}

export function isRecordState(state: unknown): boolean {
  return typeof state === 'string' && new RegExp(RECORD_STATES).test(state);
}
