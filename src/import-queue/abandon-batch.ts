import type { Transaction } from '../database/transaction.js';

/** Ends a batch that awaits confirmation and is locked: its records were never tried, and are canceled. */
export async function abandonBatch(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_record SET status = 'canceled'
      WHERE workflow_import_queue_batch_id = $1 AND status = 'pending'`,
    [batchId],
  );
  await transaction.query(
    `UPDATE import_queue_chunk
        SET canceled_count = record_count - invalid_count, state = 'done', done_at = coalesce(done_at, now())
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  await transaction.query(
    `UPDATE import_queue_batch
        SET status = 'canceled', finished_at = now(), canceled_count = total_count - invalid_count,
            succeeded_count = 0, failed_count = 0, skipped_count = 0, unknown_count = 0,
            created_count = 0, updated_count = 0, unchanged_count = 0
      WHERE workflow_import_queue_batch_id = $1 AND status = 'awaiting_confirmation'`,
    [batchId],
  );
}
