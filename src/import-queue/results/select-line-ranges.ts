import type { Sql } from '../../database/transaction.js';
import type { RecordStatus } from '../record-status.js';

/** Consecutive lines that have records of the statuses asked for. */
export interface LineRange {
  first: number;
  last: number;
  /** How many records of these statuses are there. */
  count: number;
  /** The chunk was done when this was read: its records have their outcomes for good. */
  done: boolean;
}

/** Where a chunk counts the records of a status. */
const COUNTS: Readonly<Record<RecordStatus, string>> = {
  pending: `record_count - invalid_count - succeeded_count - failed_count - skipped_count - canceled_count
    - unknown_count`,
  invalid: 'invalid_count',
  processing: '0',
  succeeded: 'succeeded_count',
  failed: 'failed_count',
  skipped: 'skipped_count',
  canceled: 'canceled_count',
  unknown: 'unknown_count',
};

/**
 * The chunks of a batch that have records of these statuses, in line order. The counts of the chunks say it, so that
 * a few failed records among a million are found without an index on the status, which every update would maintain.
 * @param after only lines after this one
 * @param enough stop when so many records are reached
 */
export async function selectLineRanges(
  sql: Sql,
  batchId: number,
  statuses: readonly RecordStatus[],
  after = 0,
  enough?: number,
): Promise<LineRange[]> {
  const count = statuses.map((status) => COUNTS[status]).join(' + ');
  const { rows } = await sql.query<LineRange>(
    `SELECT first, last, count, done
     FROM (
       SELECT first_line AS first, last_line AS last, ${count} AS count, state = 'done' AS done,
         -- The chunk in which we are may have shown all of its records already: it counts for none.
         sum(CASE WHEN first_line > $2 THEN ${count} ELSE 0 END) OVER (ORDER BY chunk_number
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
       FROM import_queue_chunk
       WHERE workflow_import_queue_batch_id = $1 AND last_line > $2 AND ${count} > 0
     ) chunk
     WHERE $3::int IS NULL OR before IS NULL OR before < $3
     ORDER BY first`,
    [batchId, after, enough ?? null],
  );
  return rows;
}
