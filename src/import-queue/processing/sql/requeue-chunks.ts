import type { Sql } from '../../../database/transaction.js';
import type { QueuedChunk } from '../queued-chunk.js';

/**
 * Queues chunks anew whose jobs are gone, except those that a worker holds locked. The new time of queueing makes new
 * job ids, so that what may be left of the old jobs in Redis does not matter.
 */
export async function requeueChunks(sql: Sql, lost: readonly QueuedChunk[]): Promise<QueuedChunk[]> {
  const { rows } = await sql.query<QueuedChunk>(
    `WITH free AS MATERIALIZED (
       SELECT c.workflow_import_queue_batch_id, c.chunk_number
         FROM import_queue_chunk c
         JOIN unnest($1::bigint[], $2::integer[], $3::bigint[]) AS lost (batch, chunk, queued_at)
           ON c.workflow_import_queue_batch_id = lost.batch AND c.chunk_number = lost.chunk
          AND (extract(epoch FROM c.queued_at) * 1000000)::bigint = lost.queued_at
        WHERE c.state = 'queued'
          FOR UPDATE OF c SKIP LOCKED
     )
     UPDATE import_queue_chunk c SET queued_at = clock_timestamp()
       FROM free
      WHERE c.workflow_import_queue_batch_id = free.workflow_import_queue_batch_id
        AND c.chunk_number = free.chunk_number
     RETURNING c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
               (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt"`,
    [
      lost.map(({ batchId }) => batchId),
      lost.map(({ chunkNumber }) => chunkNumber),
      lost.map(({ queuedAt }) => queuedAt),
    ],
  );
  return rows;
}
