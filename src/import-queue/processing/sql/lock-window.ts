import type { Transaction } from '../../../database/transaction.js';

/**
 * How many chunks of the batch may be queued at a time, or `null` if it takes none now (paused, ended). Locks the
 * batch row: whoever fills the window next waits, and then counts what this transaction queued. Chunks that run
 * meanwhile do not touch the batch row, and rows that refer to it can still be written.
 */
export async function lockWindow(
  transaction: Transaction,
  batchId: number,
  chunkWindow: number,
): Promise<number | null> {
  const { rows } = await transaction.query<{ window: number }>(
    `SELECT CASE WHEN v.ordered THEN 1 ELSE $2::integer END AS "window"
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
      WHERE b.workflow_import_queue_batch_id = $1
        AND b.status IN ('queued', 'in_progress', 'canceling')
        FOR NO KEY UPDATE OF b`,
    [batchId, chunkWindow],
  );
  return rows[0]?.window ?? null;
}
