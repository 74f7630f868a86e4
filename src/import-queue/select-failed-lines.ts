import type { Sql } from '../database/transaction.js';
import type { StoredRecord } from './copy-again.js';

/**
 * The next records of a batch that failed, were invalid or unknown, in line order. The counts of the chunks lead to the
 * few that have any, so a million successes are not read to find ten failures.
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
