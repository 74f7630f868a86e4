import type { Transaction } from '../../../database/transaction.js';
import type { ChunkJob } from '../../../queue/queues.js';

export interface OpenChunk {
  chunkNumber: number;
  /** Sorted, 8 bytes big-endian each. */
  orderingKeys: Buffer | null;
}

/** The chunk itself first, then those before it that are not done, the nearest first. */
export async function selectOpenChunksUpTo(transaction: Transaction, job: ChunkJob): Promise<OpenChunk[]> {
  const { rows } = await transaction.query<OpenChunk>(
    `SELECT chunk_number AS "chunkNumber", ordering_keys AS "orderingKeys"
       FROM import_queue_chunk
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number <= $2 AND state <> 'done'
      ORDER BY chunk_number DESC`,
    [job.batchId, job.chunkNumber],
  );
  return rows;
}
