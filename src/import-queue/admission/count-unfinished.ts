import type { Sql } from '../../database/transaction.js';

/** How many batches have not ended, counted no further than the limit: one look at a small index. */
export async function countUnfinished(sql: Sql, limit: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count
       FROM (SELECT FROM import_queue_batch
              WHERE status IN ('queued', 'in_progress', 'paused', 'canceling') LIMIT $1) unfinished`,
    [limit],
  );
  return rows[0]?.count ?? 0;
}
