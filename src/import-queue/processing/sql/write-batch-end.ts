import type { Transaction } from '../../../database/transaction.js';
import type { BatchStatus } from '../../batch-state.js';
import type { EndedBatch } from './select-ended-batch.js';

/** Writes the terminal status and, so that lists need not add up chunks, the counts. Answers whether it did. */
export async function writeBatchEnd(
  transaction: Transaction,
  batchId: number,
  to: BatchStatus,
  batch: EndedBatch,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_batch
        SET status = $3, finished_at = now(), succeeded_count = $4, failed_count = $5, skipped_count = $6,
            canceled_count = $7, unknown_count = $8, created_count = $9, updated_count = $10, unchanged_count = $11
      WHERE workflow_import_queue_batch_id = $1 AND status = $2`,
    [
      batchId,
      batch.status,
      to,
      batch.succeeded,
      batch.failed,
      batch.skipped,
      batch.canceled,
      batch.unknown,
      batch.created,
      batch.updated,
      batch.unchanged,
    ],
  );
  return rowCount === 1;
}
