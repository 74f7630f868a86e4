import { EventLoopTurn } from '../../platform/concurrency.js';
import {
  type CopyInput,
  readIntegerArray,
  type StatementsWithRows,
  type TextRow,
  visiblyEscaped,
} from '../../platform/database/copy-rows.js';
import type { ClientTransaction } from '../../platform/database/transaction.js';
import { isUniqueViolation, sqlState } from '../../platform/database/postgres-errors.js';
import type { ImportRecord, RecordError, RecordOutcome } from '../../records/target.js';
import { quoted } from '../../workflows/rows/values/value-type.js';
import type { LoggedChunk } from './change-log.sql.js';
import { type CompiledTable, pointerTo, type TargetRow } from './compiled-table.js';
import type { TableTargetPlan } from './table-plan.js';
import {
  createMissing,
  createRowsTable,
  emptyRowsTable,
  isRecordState,
  keepRows,
  type OnRace,
  operationOf,
  type RowOperation,
  StagedRows,
  writeRows,
  writeRowsOneByOne,
} from './table-statements.js';

/** An open transaction in the database that has the table. */
export type TableTransaction = Pick<ClientTransaction, 'query' | 'sendTogether'>;

interface LineOutcome {
  line: number;
  operation: RowOperation;
  reference: string | null;
  state?: string | null;
  message?: string | null;
  detail?: string | null;
  constraint?: string | null;
  column?: string | null;
}

/** @param answer of `writeRows` */
function writtenTogether(answer: TextRow | undefined): LineOutcome[] {
  const [lines = null, letters = null, referenceTexts = null] = answer ?? [];
  if (letters === null) return [];
  const references = JSON.parse(referenceTexts ?? '[]') as (string | null)[];
  return readIntegerArray(lines).map((line, index) => ({
    line,
    operation: operationOf(letters.charAt(index)),
    reference: references[index] ?? null,
  }));
}

/** @param answer of `writeRowsOneByOne` */
function writtenOneByOne(answer: readonly TextRow[]): LineOutcome[] {
  return answer.map(([line, letter, reference = null, state, message, detail, constraint, column]) => ({
    ...{ line: Number(line), operation: operationOf(letter ?? ''), reference },
    ...{ state, message, detail, constraint, column },
  }));
}

const BACK = 'ROLLBACK TO SAVEPOINT import_queue_set';

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

/** The records of a chunk as rows of a table. */
interface StagedChunk {
  /** Rows that can be about the same row of the table are in different sets, in line order. */
  sets: readonly StagedRows[];
  /** The outcomes of records that the table cannot accept. */
  refused: readonly RecordOutcome[];
}

/**
 * Turns the records into the rows that a `TableApplication` writes. It is done before anything waits for the database of
 * the table, so that only bytes outlast the wait.
 */
export async function stageRows(
  records: readonly ImportRecord[],
  compiled: CompiledTable,
): Promise<StagedChunk> {
  const sets: StagedRows[] = [];
  const refused: RecordOutcome[] = [];
  const counts = new Map<string, number>();
  await readTableRows(records, compiled, refused, (row) => {
    const place = row.match === null ? 0 : (counts.get(row.match) ?? 0);
    if (row.match !== null) counts.set(row.match, place + 1);
    const set = (sets[place] ??= new StagedRows(compiled.plan, place === 0 ? records.length : 1));
    set.add(row);
  });
  return { sets, refused };
}

/** Writes records into a table, set by set, inside a transaction of its database. */
export class TableApplication {
  private isPrepared = false;

  constructor(
    private readonly plan: TableTargetPlan,
    private readonly transaction: TableTransaction,
    private readonly log: LoggedChunk | null,
  ) {}

  /** Answers one outcome per record. Faults of the database are thrown. */
  async apply({ sets, refused }: StagedChunk): Promise<RecordOutcome[]> {
    const outcomes = [...refused];
    for (const set of sets) await this.applySet(set, outcomes);
    return outcomes;
  }

  private async applySet(rows: StagedRows, outcomes: RecordOutcome[]): Promise<void> {
    let written = await this.write(rows, this.emptied(), [rows.copy]);
    for (let attempt = 1; ; attempt += 1) {
      const raced: number[] = [];
      for (const outcome of written) {
        if (outcome.operation === 'raced' && attempt < LONGEST_RACE) raced.push(outcome.line);
        else outcomes.push(this.outcomeOf(outcome));
      }
      if (raced.length === 0) return;
      written = await this.write(rows, [keepRows(this.plan, raced)], []);
    }
  }

  private emptied(): string[] {
    if (this.isPrepared) return [emptyRowsTable(this.plan)];
    this.isPrepared = true;
    return [
      // A deferred constraint would be checked at COMMIT, when no record can fail by itself.
      'SET CONSTRAINTS ALL IMMEDIATE',
      // The planner does not know that the pages of an index are in memory, and would read a table of some size as a whole.
      'SET LOCAL random_page_cost = 1',
      // It expects many pairs of lines that have the same key, and would sort the lines by their keys to join them.
      'SET LOCAL enable_mergejoin = off',
      createRowsTable(this.plan),
    ];
  }

  private async write(
    { absent }: StagedRows,
    before: readonly string[],
    tables: readonly CopyInput[],
  ): Promise<LineOutcome[]> {
    const { transaction, plan, log } = this;
    const statements = (onRace: OnRace) => [
      ...createMissing(plan, null),
      writeRows(plan, absent, log, onRace),
      'RELEASE SAVEPOINT import_queue_set',
    ];
    const send = async (sent: StatementsWithRows) =>
      writtenTogether((await transaction.sendTogether(sent)).at(-2)?.[0]);
    try {
      return await send({ before, tables, after: ['SAVEPOINT import_queue_set', ...statements('fail')] });
    } catch (error) {
      if (!isRecordState(sqlState(error))) throw error;
      if (isUniqueViolation(error) && plan.key.length > 0) {
        // Races are rare, so rows are first written as if there were none, which takes a third less time.
        try {
          return await send({ before: [BACK, ...statements('answer')] });
        } catch (second) {
          if (!isRecordState(sqlState(second))) throw second;
        }
      }
      const answers = await transaction.sendTogether({
        before: [BACK, ...writeRowsOneByOne(plan, absent, log)],
      });
      return writtenOneByOne(answers.at(-1) ?? []);
    }
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

/**
 * Parses the records, and yields to other work of the process in between.
 * @param refused receives the outcomes of those that the table cannot accept
 */
export async function readTableRows(
  records: readonly ImportRecord[],
  compiled: CompiledTable,
  refused: RecordOutcome[],
  take: (row: TargetRow) => void,
): Promise<void> {
  const turn = new EventLoopTurn();
  for (const record of records) {
    if (turn.isOver) await turn.next();
    const read = compiled.parseRow(record);
    if ('row' in read) take(read.row);
    else
      refused.push({
        line: record.line,
        status: 'failed',
        operation: 'rejected',
        reference: null,
        error: read.error,
      });
  }
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
export function violation(
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
