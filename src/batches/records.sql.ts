import { integerArray, textArray, visiblyEscaped } from '../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { ImportRecord, RecordError, RecordOutcome } from '../records/target.js';

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

/** Columns of the COPY that stores records, in the order of `RecordCollector`'s fields. */
const COLUMNS =
  'workflow_import_queue_batch_id, line_number, status, error_code, error_message, error_pointer';
export const RECORD_COPY = `COPY import_queue_record (${COLUMNS}, payload) FROM STDIN`;
/** A separate statement for files that were downloaded here, so that other files need not send an empty field. */
export const RECORD_COPY_WITH_ORIGIN = `COPY import_queue_record (${COLUMNS}, origin_line, payload) FROM STDIN`;

/** A stored record with the error from its first check. */
export interface StoredRecord {
  line: number;
  payload: string;
  /** Its line in the batch whose results were downloaded and sent again; `null` if it has none. Absent: no download. */
  originLine?: number | null;
  errorCode: string | null;
  errorMessage: string | null;
}

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
  const errors = outcomes.some(({ status }) => status === 'failed') ? outcomes.map(errorOf) : [];
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record r
        SET status = o.status, operation = o.operation, reference = o.reference, error_code = o.error_code,
            error_message = o.error_message, error_pointer = o.error_pointer, attempts = r.attempts + 1
       FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
         AS o (line, status, operation, reference, error_code, error_message, error_pointer)
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
    ],
  );
  if (rowCount !== outcomes.length) {
    throw new Error(
      `${outcomes.length} outcomes were to be written, but only ${rowCount} records were pending`,
    );
  }
}

function errorOf(outcome: RecordOutcome): RecordError | null {
  return outcome.status === 'failed' ? outcome.error : null;
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

/** The next records of an upload, in line order. */
export async function selectUploadedLines(
  sql: Sql,
  batchId: number,
  afterLine: number,
  limit: number,
): Promise<StoredRecord[]> {
  const { rows } = await sql.query<StoredRecord>(
    `SELECT line_number AS line, payload, origin_line AS "originLine", error_code AS "errorCode",
            error_message AS "errorMessage"
       FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number > $2
      ORDER BY line_number
      LIMIT $3`,
    [batchId, afterLine, limit],
  );
  return rows;
}

/**
 * The next records of a batch that failed, were invalid or are unknown, in line order. The chunk counts point to the
 * few chunks that have any, so finding ten failures does not read a million successes.
 */
export async function selectFailedLines(
  sql: Sql,
  batchId: number,
  afterLine: number,
  limit: number,
): Promise<StoredRecord[]> {
  const { rows } = await sql.query<StoredRecord>(
    `SELECT r.line_number AS line, r.payload, r.error_code AS "errorCode", r.error_message AS "errorMessage"
     FROM import_queue_chunk c
     CROSS JOIN LATERAL (
       SELECT line_number, payload, error_code, error_message FROM import_queue_record
       WHERE workflow_import_queue_batch_id = c.workflow_import_queue_batch_id
         AND line_number BETWEEN greatest(c.first_line, $2 + 1) AND c.last_line
         AND status IN ('failed', 'invalid', 'unknown')
       ORDER BY line_number
     ) r
     WHERE c.workflow_import_queue_batch_id = $1 AND c.last_line > $2
       AND c.failed_count + c.invalid_count + c.unknown_count > 0
     ORDER BY c.chunk_number, r.line_number
     LIMIT $3`,
    [batchId, afterLine, limit],
  );
  return rows;
}

/** The lines of the previous and the next record; `null` if there is none. Blank lines are not records. */
export interface Neighbours {
  before: number | null;
  after: number | null;
}

export async function selectNeighbours(sql: Sql, batchId: number, line: number): Promise<Neighbours> {
  const { rows } = await sql.query<Neighbours>(
    `SELECT (SELECT max(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number < $2) AS before,
            (SELECT min(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number > $2) AS after`,
    [batchId, line],
  );
  return rows[0] ?? { before: null, after: null };
}
