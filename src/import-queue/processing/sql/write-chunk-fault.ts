import type { Sql } from '../../../database/transaction.js';
import type { ChunkJob } from '../../../queue/queues.js';

/**
 * Notes why a run of the chunk was rolled back. Only faults that are not transient are counted: a database that is
 * away for an hour proves nothing against the records. Answers the count.
 */
export async function writeChunkFault(
  sql: Sql,
  job: ChunkJob,
  message: string,
  transient: boolean,
): Promise<number> {
  const { rows } = await sql.query<{ attempts: number }>(
    `UPDATE import_queue_chunk SET attempts = attempts + $3, last_error = $4
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'
     RETURNING attempts`,
    [job.batchId, job.chunkNumber, transient ? 0 : 1, message],
  );
  return rows[0]?.attempts ?? 0;
}
