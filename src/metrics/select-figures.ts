import type { Sql } from '../database/transaction.js';

export interface Figures {
  batches: { status: string; count: number }[];
  openChunks: { state: string; count: number }[];
  outboxes: { outbox: string; pending: number; oldestSeconds: number }[];
  oldestBatchSeconds: number;
}

/** What is in the database now, by small indexes and the list of batches; no record is read. */
export async function selectFigures(sql: Sql): Promise<Figures> {
  const [batches, openChunks, outboxes, oldest] = await Promise.all([
    sql.query<Figures['batches'][number]>(
      'SELECT status, count(*)::integer AS count FROM import_queue_batch GROUP BY status',
    ),
    sql.query<Figures['openChunks'][number]>(
      `SELECT state, count(*)::integer AS count FROM import_queue_chunk WHERE state <> 'done' GROUP BY state`,
    ),
    sql.query<Figures['outboxes'][number]>(
      `SELECT 'notification' AS outbox, count(*)::integer AS pending,
              coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS "oldestSeconds"
         FROM notification WHERE status IN ('pending', 'sending')
        UNION ALL
       SELECT 'behavior', count(*)::integer, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float
         FROM behavior_outbox WHERE status IN ('pending', 'sending')`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS seconds
         FROM import_queue_batch WHERE status IN ('queued', 'in_progress', 'canceling')`,
    ),
  ]);
  return {
    batches: batches.rows,
    openChunks: openChunks.rows,
    outboxes: outboxes.rows,
    oldestBatchSeconds: oldest.rows[0]?.seconds ?? 0,
  };
}
