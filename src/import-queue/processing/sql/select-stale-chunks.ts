import type { Sql } from '../../../database/transaction.js';
import type { QueuedChunk } from '../queued-chunk.js';

export interface StaleChunk extends QueuedChunk {
  /** Queued so long ago that no retry is put off any more, by the longest of them (32 s) and all before it. */
  overdue: boolean;
}

/** Chunks that were queued a while ago and are not done: they wait in Redis, are being processed, or were lost. */
export async function selectStaleChunks(sql: Sql, olderThanMs: number): Promise<StaleChunk[]> {
  const { rows } = await sql.query<StaleChunk>(
    `SELECT c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
            (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt",
            c.queued_at < clock_timestamp() - interval '2 minutes' AS overdue
       FROM import_queue_chunk c
      WHERE c.state = 'queued'
        AND c.queued_at < clock_timestamp() - $1 * interval '1 millisecond'
      ORDER BY c.queued_at`,
    [olderThanMs],
  );
  return rows;
}
