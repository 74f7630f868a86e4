import type { Sql } from '../../database/transaction.js';

/**
 * Marks ended batches past their retention as expired: from now on nobody reads their records, so that no reader meets
 * a batch that is half there. Answers how many; ask again until there are fewer than the limit.
 */
export async function expireBatches(sql: Sql, defaultDays: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `WITH past AS (
       SELECT b.workflow_import_queue_batch_id
         FROM import_queue_batch b
         JOIN import_process p USING (import_process_id)
        WHERE b.expired_at IS NULL
          AND b.finished_at < now() - coalesce(p.retention_days, $1) * interval '1 day'
          AND coalesce(p.retention_days, $1) > 0
        ORDER BY b.finished_at
        LIMIT $2
          FOR NO KEY UPDATE OF b SKIP LOCKED
     )
     UPDATE import_queue_batch b SET expired_at = now()
       FROM past
      WHERE b.workflow_import_queue_batch_id = past.workflow_import_queue_batch_id AND b.expired_at IS NULL`,
    [defaultDays, limit],
  );
  return rowCount;
}
