import type { Sql } from '../../database/transaction.js';

/** In words the indexes know. */
const HAS_ENDED = `status IN ('sent', 'failed', 'not_sent_no_smtp')`;

/**
 * Batches without records that still have mails or webhooks which have ended: all of those that were emptied just now,
 * and whatever was owed longer than its batch was kept. Goes from batch to batch in the index, not from row to row.
 */
export async function selectEmptiedWithBehaviors(sql: Sql): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `WITH RECURSIVE sender AS (
       (SELECT workflow_import_queue_batch_id AS id
          FROM behavior_outbox
         WHERE workflow_import_queue_batch_id IS NOT NULL AND ${HAS_ENDED}
         ORDER BY workflow_import_queue_batch_id
         LIMIT 1)
       UNION ALL
       SELECT (SELECT workflow_import_queue_batch_id
                 FROM behavior_outbox
                WHERE workflow_import_queue_batch_id > sender.id AND ${HAS_ENDED}
                ORDER BY workflow_import_queue_batch_id
                LIMIT 1)
         FROM sender
        WHERE sender.id IS NOT NULL
     )
     SELECT sender.id
       FROM sender JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = sender.id
      WHERE b.emptied_at IS NOT NULL`,
  );
  return rows.map(({ id }) => id);
}

/** What records of the batch have sent, or tried to; what is still owed stays. A step, as `deleteIdempotencyKeys`. */
export async function deleteBehaviorsOfBatch(sql: Sql, batchId: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM behavior_outbox
      WHERE behavior_id IN (SELECT behavior_id FROM behavior_outbox
                             WHERE workflow_import_queue_batch_id = $1 AND ${HAS_ENDED}
                             LIMIT $2)
        AND ${HAS_ENDED}`,
    [batchId, limit],
  );
  return rowCount;
}

/** The same of actions that were performed without a batch, once they have ended as long ago as batches are kept. */
export async function deleteBehaviorsOfNoBatch(sql: Sql, days: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM behavior_outbox
      WHERE behavior_id IN (SELECT behavior_id FROM behavior_outbox
                             WHERE workflow_import_queue_batch_id IS NULL AND ${HAS_ENDED}
                               AND coalesce(ended_at, sent_at, created_at) < now() - $1 * interval '1 day'
                             ORDER BY coalesce(ended_at, sent_at, created_at)
                             LIMIT $2)
        AND ${HAS_ENDED}`,
    [days, limit],
  );
  return rowCount;
}
