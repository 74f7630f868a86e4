import type { Sql } from '../../../database/transaction.js';

/** Batches all of whose chunks are done, but whose end is not yet written. */
export async function selectEndedBatchIds(sql: Sql): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT b.workflow_import_queue_batch_id AS id
       FROM import_queue_batch b
      WHERE b.status IN ('queued', 'in_progress', 'paused', 'canceling')
        AND NOT EXISTS (SELECT FROM import_queue_chunk c
                         WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
                           AND c.state <> 'done')
      ORDER BY b.workflow_import_queue_batch_id`,
  );
  return rows.map(({ id }) => id);
}
