import type { Sql } from '../../../database/transaction.js';

/**
 * The batch cannot be processed at all. Its remaining chunks still pass through the consumer, which cancels their
 * records chunk by chunk instead of in one long transaction; then the batch ends as failed.
 */
export async function writeBatchFault(sql: Sql, batchId: number, reason: string): Promise<void> {
  await sql.query(
    `UPDATE import_queue_batch SET failure_reason = $2
      WHERE workflow_import_queue_batch_id = $1 AND failure_reason IS NULL
        AND status IN ('queued', 'in_progress', 'paused')`,
    [batchId, reason],
  );
}
