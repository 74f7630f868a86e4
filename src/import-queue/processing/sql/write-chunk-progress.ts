import type { Transaction } from '../../../database/transaction.js';
import type { ChunkJob } from '../../../queue/queues.js';
import type { OutcomeCounts } from '../outcome-counts.js';

/** Adds outcomes to the counts of a chunk, in the transaction that wrote them; `done` ends the chunk. */
export async function writeChunkProgress(
  transaction: Transaction,
  job: ChunkJob,
  counts: OutcomeCounts,
  done: boolean,
): Promise<void> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_chunk
        SET succeeded_count = succeeded_count + $3, failed_count = failed_count + $4,
            skipped_count = skipped_count + $5, canceled_count = canceled_count + $6,
            created_count = created_count + $7, updated_count = updated_count + $8,
            unchanged_count = unchanged_count + $9,
            state = CASE WHEN $10 THEN 'done' ELSE state END,
            done_at = CASE WHEN $10 THEN clock_timestamp() END
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'`,
    [
      job.batchId,
      job.chunkNumber,
      counts.succeeded,
      counts.failed,
      counts.skipped,
      counts.canceled,
      counts.created,
      counts.updated,
      counts.unchanged,
      done,
    ],
  );
  if (rowCount !== 1)
    throw new Error(`chunk ${job.chunkNumber} of batch ${job.batchId} is not queued any more`);
}
