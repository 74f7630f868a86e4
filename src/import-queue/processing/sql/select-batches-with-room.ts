import type { Sql } from '../../../database/transaction.js';
import { lookAhead } from './queue-next-chunks.js';

/** The batches with a chunk that could be queued now, oldest first: none of them while all goes well. */
export async function selectBatchesWithRoom(sql: Sql, chunkWindow: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT b.workflow_import_queue_batch_id AS id
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
               array_agg(chunk_number) AS open,
               array_agg(coalesce(blocked_by, 0)) FILTER (WHERE state = 'pending') AS waits_for
          FROM (SELECT chunk_number, state, blocked_by
                  FROM import_queue_chunk c
                 WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id AND c.state <> 'done'
                 ORDER BY chunk_number
                 LIMIT $2) ahead) chunks
      WHERE b.status IN ('queued', 'in_progress', 'canceling')
        AND chunks.queued < CASE WHEN v.ordered THEN 1 ELSE $1::integer END
        AND NOT coalesce(chunks.waits_for, '{}') <@ chunks.open
      ORDER BY b.workflow_import_queue_batch_id`,
    [chunkWindow, lookAhead(chunkWindow)],
  );
  return rows.map(({ id }) => id);
}
