import type { Sql } from '../../database/transaction.js';

/** The batches that sent records of this one again, oldest first; canceled ones as well, so that nothing is hidden. */
export async function selectChildren(sql: Sql, batchId: number, limit: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id FROM import_queue_batch
     WHERE retry_of = $1 ORDER BY workflow_import_queue_batch_id LIMIT $2`,
    [batchId, limit],
  );
  return rows.map(({ id }) => id);
}
