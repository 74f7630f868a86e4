import type { ChunkJob } from '../../../queue/queues.js';
import type { Transaction } from '../../../database/transaction.js';
import type { BatchStatus } from '../../batch-state.js';

/** A chunk that is this transaction's own until it ends. */
export interface LockedChunk {
  firstLine: number;
  lastLine: number;
  /** How often it failed by a fault that was not transient. */
  attempts: number;
  batchStatus: BatchStatus;
  failureReason: string | null;
  backendPid: number;
}

/**
 * Takes the chunk if it is to be processed and nobody else does. A job that comes twice, late or for a chunk that
 * was handed back finds nothing; it must not wait for the lock, since what it would find then is `done`.
 */
export async function lockChunk(transaction: Transaction, job: ChunkJob): Promise<LockedChunk | undefined> {
  const { rows } = await transaction.query<LockedChunk>(
    `SELECT c.first_line AS "firstLine", c.last_line AS "lastLine", c.attempts,
            b.status AS "batchStatus", b.failure_reason AS "failureReason", pg_backend_pid() AS "backendPid"
       FROM import_queue_chunk c
       JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = $2 AND c.state = 'queued'
        FOR UPDATE OF c SKIP LOCKED`,
    [job.batchId, job.chunkNumber],
  );
  return rows[0];
}
