import { EventLoopTurn } from '../../platform/concurrency.js';
import { visiblyEscaped } from '../../platform/database/copy-rows.js';
import type { ClientTransaction } from '../../platform/database/database.service.js';
import type { ImportRecord, RecordError, RecordOutcome } from '../../records/target.js';
import { quoted } from '../../workflows/rows/values/value-type.js';
import { type CompiledTable, pointerTo, type TargetRow } from './compiled-table.js';
import type { TableTargetPlan } from './table-plan.js';
import {
  absentPlaces,
  createMissing,
  createTemporaryTables,
  emptyTemporaryTables,
  isRecordState,
  stagedRows,
  SELECT_OUTCOMES,
  writeRows,
  writeRowsOneByOne,
} from './table-statements.js';

/** An open transaction in the database that has the table. */
export type TableTransaction = Pick<ClientTransaction, 'query' | 'copyTogether' | 'savepoint'>;

interface LineOutcome {
  line: number;
  operation: string;
  reference: string | null;
  state: string | null;
  message: string | null;
  detail: string | null;
  constraint: string | null;
  column: string | null;
}

/** How many times rows are written again because another transaction has created them meanwhile. */
const LONGEST_RACE = 5;

/**
 * The codes of records that the database refuses. They are part of the API: `error.code` of a record.
 * @public docs/errors.md is generated from it.
 */
export const TABLE_ERROR_CODES = {
  already_exists: 'The table has a row with the key already',
  check_violation: 'A CHECK constraint refuses the record',
  exclusion_violation: 'The record conflicts with another row',
  foreign_key_violation: 'A foreign key refers to nothing',
  lookup_missing: 'A look-up finds nothing',
  no_match: 'The table has no row with the key',
  not_null_violation: 'A column must not be empty',
  not_written: 'The database kept the row from being written',
  refused_by_trigger: 'A trigger or function of the database refuses the record',
  unique_violation: 'Another row has the value already',
  value_refused: 'The database refuses a value',
} as const;

const CODES: Readonly<Record<string, keyof typeof TABLE_ERROR_CODES>> = {
  23502: 'not_null_violation',
  23503: 'foreign_key_violation',
  23505: 'unique_violation',
  23514: 'check_violation',
  '23P01': 'exclusion_violation',
};

/** Writes records into a table, set by set, inside a transaction of its database. */
export class TableApplication {
  private readonly plan: TableTargetPlan;
  private isPrepared = false;

  constructor(
    private readonly compiled: CompiledTable,
    private readonly transaction: TableTransaction,
  ) {
    this.plan = compiled.plan;
  }

  /** Answers one outcome per record. Faults of the database are thrown. */
  async apply(records: readonly ImportRecord[]): Promise<RecordOutcome[]> {
    const { rows, refused } = await readTableRows(records, this.compiled);
    const outcomes = [...refused];
    if (rows.length === 0) return outcomes;
    // A deferred constraint would be checked at COMMIT, when no record can fail by itself.
    await this.transaction.query('SET CONSTRAINTS ALL IMMEDIATE');
    for (const set of setsOf(rows)) outcomes.push(...(await this.applySet(set)));
    return outcomes;
  }

  /** @param rows of which no two are about one row of the table */
  private async applySet(rows: readonly TargetRow[]): Promise<RecordOutcome[]> {
    let remaining = rows;
    const outcomes: RecordOutcome[] = [];
    for (let attempt = 1; remaining.length > 0; attempt += 1) {
      const raced = new Set<number>();
      for (const outcome of await this.write(remaining)) {
        if (outcome.operation === 'raced' && attempt < LONGEST_RACE) raced.add(outcome.line);
        else outcomes.push(this.outcomeOf(outcome));
      }
      remaining = remaining.filter(({ line }) => raced.has(line));
    }
    return outcomes;
  }

  private async write(rows: readonly TargetRow[]): Promise<LineOutcome[]> {
    const { transaction, plan } = this;
    await transaction.query(this.isPrepared ? emptyTemporaryTables(plan) : createTemporaryTables(plan));
    this.isPrepared = true;
    await transaction.copyTogether([stagedRows(plan, rows)]);
    const absent = absentPlaces(rows);
    try {
      await transaction.savepoint(async () => {
        for (const statement of createMissing(plan, null)) await transaction.query(statement);
        await transaction.query(writeRows(plan, absent, null));
      });
    } catch (error) {
      if (!isRecordState((error as { code?: unknown }).code)) throw error;
      await transaction.query(writeRowsOneByOne(plan, absent));
    }
    return (await transaction.query<LineOutcome>(SELECT_OUTCOMES)).rows;
  }

  private outcomeOf(outcome: LineOutcome): RecordOutcome {
    const { line, operation, reference } = outcome;
    if (operation === 'created' || operation === 'updated' || operation === 'unchanged')
      return { line, status: 'succeeded', operation, reference };
    if (operation === 'matched' && this.plan.configuration.onMatch === 'skip')
      return { line, status: 'skipped', operation: null, reference };
    const known = operation === 'matched' ? reference : null;
    return {
      line,
      status: 'failed',
      operation: 'rejected',
      reference: known,
      error: tableRefusal(outcome, this.plan),
    };
  }
}

/** Parses the records; refuses those that the table cannot accept. Yields to other work of the process in between. */
export async function readTableRows(
  records: readonly ImportRecord[],
  compiled: CompiledTable,
): Promise<{ rows: TargetRow[]; refused: RecordOutcome[] }> {
  const rows: TargetRow[] = [];
  const refused: RecordOutcome[] = [];
  const turn = new EventLoopTurn();
  for (const record of records) {
    if (turn.isOver) await turn.next();
    const read = compiled.parseRow(record);
    if ('row' in read) rows.push(read.row);
    else
      refused.push({
        line: record.line,
        status: 'failed',
        operation: 'rejected',
        reference: null,
        error: read.error,
      });
  }
  return { rows, refused };
}

/** Rows that can be about the same row of the table go into different sets, in line order. */
function setsOf(rows: readonly TargetRow[]): TargetRow[][] {
  const sets: TargetRow[][] = [];
  const counts = new Map<string, number>();
  for (const row of rows) {
    const place = row.match === null ? 0 : (counts.get(row.match) ?? 0);
    if (row.match !== null) counts.set(row.match, place + 1);
    const set = sets[place];
    if (set === undefined) sets[place] = [row];
    else set.push(row);
  }
  return sets;
}

/** Why a record was not written. */
export function tableRefusal(
  outcome: Pick<LineOutcome, 'operation' | 'reference'> & Partial<LineOutcome>,
  plan: TableTargetPlan,
): RecordError {
  const { schema, table } = plan.configuration;
  switch (outcome.operation) {
    case 'matched':
      return {
        code: 'already_exists',
        message: `${schema}.${table} has a row with this key already, and this import process changes none`,
      };
    case 'unmatched':
      return {
        code: 'no_match',
        message: `${schema}.${table} has no row with this key, and this import process creates none`,
      };
    case 'missing':
      return missingLookup(plan, Number(outcome.reference));
    case 'refused':
      return violation(outcome, plan);
    default:
      return {
        code: 'not_written',
        message: `${schema}.${table} did not take the row: a trigger dropped or changed it, or other transactions kept creating it`,
      };
  }
}

function missingLookup(plan: TableTargetPlan, place: number): RecordError {
  const planned = plan.columns[place];
  const { lookup, column } = planned ?? {};
  const { field, pointer } = pointerTo(plan, column?.name ?? '') ?? { field: '', pointer: '' };
  return {
    code: 'lookup_missing',
    message: `${quoted(field)} must be the ${lookup?.by.name} of a row of ${lookup?.schema}.${lookup?.table}, which has none like it`,
    pointer,
  };
}

/** Names the constraint and its column, as far as the database does. */
function violation(
  { state, message, detail, constraint, column }: Partial<LineOutcome>,
  plan: TableTargetPlan,
): RecordError {
  const code =
    CODES[state ?? ''] ?? (state?.startsWith('P0') === true ? 'refused_by_trigger' : 'value_refused');
  const known = plan.shape.constraints.find(({ name }) => name === constraint);
  const columns = column ? [column] : (known?.columns ?? []);
  const [place = null] = columns.flatMap((name) => pointerTo(plan, name) ?? []);
  const subject = [
    ...(constraint ? [`constraint ${quoted(constraint)}`] : []),
    ...(columns.length > 0 ? [`column ${columns.map(quoted).join(', ')}`] : []),
  ].join(', ');
  const reason = [message ?? '', detail ?? ''].filter((text) => text !== '').join(': ');
  return {
    code,
    message: visiblyEscaped(
      `the database refuses the record${subject === '' ? '' : ` (${subject})`}: ${reason}`,
    ).slice(0, 2000),
    ...(place === null || place.pointer === '' ? {} : { pointer: place.pointer }),
  };
}
