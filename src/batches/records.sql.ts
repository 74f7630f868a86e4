import { integerArray, textArray, visiblyEscaped } from '../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import {
  type ImportRecord,
  MOST_ERRORS,
  type RecordError,
  type RecordOutcome,
  type RowVerdict,
} from '../records/target.js';

/** Counts of record outcomes; `created + updated + unchanged = succeeded`. */
export interface OutcomeCounts {
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  created: number;
  updated: number;
  unchanged: number;
}

export const NO_OUTCOMES: Readonly<OutcomeCounts> = Object.freeze({
  succeeded: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
});

export function countOutcomes(outcomes: readonly RecordOutcome[]): OutcomeCounts {
  const counts = { ...NO_OUTCOMES };
  for (const outcome of outcomes) {
    counts[outcome.status] += 1;
    if (outcome.status === 'succeeded') counts[outcome.operation] += 1;
  }
  return counts;
}

/** Checks that a target fulfilled its contract. @throws unless each record has exactly one outcome */
export function assertOneOutcomeEach(
  records: readonly ImportRecord[],
  outcomes: readonly RecordOutcome[],
): void {
  const open = new Set(records.map(({ line }) => line));
  for (const { line } of outcomes) {
    if (!open.delete(line)) throw new Error(`the target answered line ${line} twice, or was never given it`);
  }
  const [unanswered] = open;
  if (unanswered !== undefined) throw new Error(`the target did not say what became of line ${unanswered}`);
}

/*
 * import_queue_record. Its states:
 *
 *   (inserted) ──┬──► pending ──► succeeded, failed, skipped (the target's outcome), canceled (never tried)
 *                └──► invalid (a check refused it; never tried)
 *
 * An outcome is final: every update requires `status = 'pending'`. The API contract includes `processing` and
 * `unknown`, but no statement writes them.
 */

/** The COPY that stores records, with columns in the order of `RecordCollector`'s fields. */
export const RECORD_COPY = `COPY import_queue_record (workflow_import_queue_batch_id, line_number, status, error_code,
  error_message, error_pointer, errors, origin_line, row_number, payload) FROM STDIN`;
/** The same for records that have no other values. */
export const PLAIN_RECORD_COPY =
  'COPY import_queue_record (workflow_import_queue_batch_id, line_number, payload) FROM STDIN';

/** The records of these lines without an outcome, in line order. */
export async function selectPendingRecords(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<ImportRecord[]> {
  const { rows } = await sql.query<ImportRecord>(
    `SELECT line_number AS line, payload
       FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND status = 'pending'
      ORDER BY line_number`,
    [batchId, firstLine, lastLine],
  );
  return rows;
}

/**
 * Writes the outcomes of pending records in one statement.
 *
 * The range of lines repeats the join condition. PostgreSQL has no statistics yet about a batch that was just loaded.
 * Without the range it reads the whole batch for every chunk: 350 ms instead of 5 in a batch of 300,000 records.
 * @throws Error if one of the records was no longer pending
 */
export async function writeOutcomes(
  transaction: Transaction,
  batchId: number,
  outcomes: readonly RecordOutcome[],
): Promise<void> {
  const lines = outcomes.map(({ line }) => line);
  // Empty without a failure: PostgreSQL extends the shorter lists with NULL.
  const verdicts = outcomes.some(({ status }) => status === 'failed') ? outcomes.map(verdictOf) : [];
  const errors = verdicts.map(({ error }) => error);
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record r
        SET status = o.status, operation = o.operation, reference = o.reference, error_code = o.error_code,
            error_message = o.error_message, error_pointer = o.error_pointer, errors = o.errors::jsonb,
            attempts = r.attempts + 1
       FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
         $11::text[]) AS o (line, status, operation, reference, error_code, error_message, error_pointer, errors)
      WHERE r.workflow_import_queue_batch_id = $1 AND r.line_number BETWEEN $2 AND $3
        AND r.line_number = o.line AND r.status = 'pending'`,
    [
      batchId,
      lines.reduce((least, line) => Math.min(least, line)),
      lines.reduce((most, line) => Math.max(most, line)),
      integerArray(lines),
      textArray(outcomes.map(({ status }) => status)),
      textArray(outcomes.map(({ operation }) => operation)),
      textArray(outcomes.map(({ reference }) => reference && visiblyEscaped(reference))),
      textArray(errors.map((error) => error && visiblyEscaped(error.code))),
      textArray(errors.map((error) => error && visiblyEscaped(error.message))),
      textArray(errors.map((error) => (error?.pointer === undefined ? null : visiblyEscaped(error.pointer)))),
      textArray(verdicts.map(storedErrors)),
    ],
  );
  if (rowCount !== outcomes.length) {
    throw new Error(
      `${outcomes.length} outcomes were to be written, but only ${rowCount} records were pending`,
    );
  }
}

function verdictOf(outcome: RecordOutcome): RecordErrors {
  return outcome.status === 'failed' ? outcome : { error: null };
}

/** The errors of a record. */
export type RecordErrors = Pick<RowVerdict, 'error' | 'errors'>;

/** The errors of a refused record that are stored. */
export function allErrors({ error, errors }: RecordErrors): readonly RecordError[] {
  return errors?.slice(0, MOST_ERRORS) ?? (error === null ? [] : [error]);
}

/** The `errors` of a record as JSON; `null` if it has at most one error, which the other columns hold. */
export function storedErrors(verdict: RecordErrors): string | null {
  const errors = allErrors(verdict);
  if (errors.length < 2) return null;
  return JSON.stringify(
    errors.map(({ code, message, pointer }) => ({
      code: visiblyEscaped(code),
      message: visiblyEscaped(message),
      pointer: pointer === undefined ? null : visiblyEscaped(pointer),
    })),
  );
}

/** Cancels the records of these lines that were never tried; answers how many. */
export async function cancelRecords(
  transaction: Transaction,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record SET status = 'canceled'
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND status = 'pending'`,
    [batchId, firstLine, lastLine],
  );
  return rowCount;
}

/** Cancels all records of an abandoned upload; answers how many. */
export async function abandonRecords(transaction: Transaction, batchId: number): Promise<number> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record SET status = 'canceled'
      WHERE workflow_import_queue_batch_id = $1 AND status = 'pending'`,
    [batchId],
  );
  return rowCount;
}

/** The lines of the previous and the next record; `null` if there is none. Blank lines are not records. */
export interface Neighbours {
  before: number | null;
  after: number | null;
}

/** The bounds from the chunks keep every possible plan from reading the whole batch. */
export async function selectNeighbours(sql: Sql, batchId: number, line: number): Promise<Neighbours> {
  const { rows } = await sql.query<Neighbours>(
    `SELECT (SELECT max(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number < $2 AND line_number >= (
                SELECT max(first_line) FROM import_queue_chunk
                 WHERE workflow_import_queue_batch_id = $1 AND first_line < $2)) AS before,
            (SELECT min(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number > $2 AND line_number <= (
                SELECT min(last_line) FROM import_queue_chunk
                 WHERE workflow_import_queue_batch_id = $1 AND last_line > $2)) AS after`,
    [batchId, line],
  );
  return rows[0] ?? { before: null, after: null };
}
