import type { Transaction } from '../../../database/transaction.js';
import type { QueuedChunk } from '../queued-chunk.js';

/**
 * Only the first open chunks of a batch are looked at, so that one fill costs the same whether a batch has ten
 * chunks left or ten thousand. A queued chunk always lies among them: others only leave from before it.
 */
export const lookAhead = (window: number): number => 64 + 4 * window;

/**
 * Moves the next chunks from `pending` to `queued` as far as the window has room, lowest number first, leaving out
 * those that wait for an earlier one. Call it under `lockWindow`.
 */
export async function queueNextChunks(
  transaction: Transaction,
  batchId: number,
  window: number,
): Promise<QueuedChunk[]> {
  const { rows } = await transaction.query<QueuedChunk>(
    `WITH ahead AS MATERIALIZED (
       SELECT chunk_number, state, blocked_by
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND state <> 'done'
        ORDER BY chunk_number
        LIMIT $3
     ), next AS (
       SELECT chunk_number
         FROM ahead
        WHERE state = 'pending'
          AND (blocked_by IS NULL OR blocked_by NOT IN (SELECT chunk_number FROM ahead))
        ORDER BY chunk_number
        LIMIT greatest(0, $2 - (SELECT count(*) FROM ahead WHERE state = 'queued'))
     )
     UPDATE import_queue_chunk c
        SET state = 'queued', queued_at = clock_timestamp(), blocked_by = NULL
       FROM next
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = next.chunk_number
        AND c.state = 'pending'
     RETURNING c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
               (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt"`,
    [batchId, window, lookAhead(window)],
  );
  return rows.sort((a, b) => a.chunkNumber - b.chunkNumber);
}
