import type { Transaction } from '../../../database/transaction.js';
import type { ChunkJob } from '../../../queue/queues.js';

/** The chunk waits for its turn again; with `blockedBy` not before that earlier chunk is done. */
export async function handBackChunk(
  transaction: Transaction,
  job: ChunkJob,
  blockedBy: number | null,
): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_chunk SET state = 'pending', queued_at = NULL, blocked_by = $3
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'`,
    [job.batchId, job.chunkNumber, blockedBy],
  );
}
