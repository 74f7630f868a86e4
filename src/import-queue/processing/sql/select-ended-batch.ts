import type { Sql, Transaction } from '../../../database/transaction.js';
import type { UnfinishedStatus } from '../../batch-state.js';

const HAS_ENDED = `b.workflow_import_queue_batch_id = $1
        AND b.status IN ('queued', 'in_progress', 'paused', 'canceling')
        AND NOT EXISTS (SELECT FROM import_queue_chunk c
                         WHERE c.workflow_import_queue_batch_id = $1 AND c.state <> 'done')`;

/** Whether only the end of the batch is still to be written. One look at an index: asked after every chunk. */
export async function hasEnded(sql: Sql, batchId: number): Promise<boolean> {
  const { rowCount } = await sql.query(`SELECT FROM import_queue_batch b WHERE ${HAS_ENDED}`, [batchId]);
  return rowCount > 0;
}

/** A batch all of whose chunks are done: what decides its end, and the counts summed up over its chunks. */
export interface EndedBatch {
  status: UnfinishedStatus;
  failureReason: string | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
  invalid: number;
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  unknown: number;
  created: number;
  updated: number;
  unchanged: number;
}

/**
 * Locks the batch if it has ended and its end is not yet written. Of several that ask at once one is answered; the
 * others wait for it and then find a terminal status. Done chunks never change again, so the sums are final.
 */
export async function lockEndedBatch(
  transaction: Transaction,
  batchId: number,
): Promise<EndedBatch | undefined> {
  const { rows } = await transaction.query<EndedBatch>(
    `WITH ended AS MATERIALIZED (
       SELECT b.status, b.failure_reason, b.send_success_email_to, b.send_failure_email_to, b.invalid_count
         FROM import_queue_batch b
        WHERE ${HAS_ENDED}
          FOR NO KEY UPDATE OF b
     )
     SELECT ended.status, ended.failure_reason AS "failureReason",
            ended.send_success_email_to AS "sendSuccessEmailTo",
            ended.send_failure_email_to AS "sendFailureEmailTo", ended.invalid_count AS invalid, sums.*
       FROM ended
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(succeeded_count), 0)::integer AS succeeded,
               coalesce(sum(failed_count), 0)::integer AS failed,
               coalesce(sum(skipped_count), 0)::integer AS skipped,
               coalesce(sum(canceled_count), 0)::integer AS canceled,
               coalesce(sum(unknown_count), 0)::integer AS unknown,
               coalesce(sum(created_count), 0)::integer AS created,
               coalesce(sum(updated_count), 0)::integer AS updated,
               coalesce(sum(unchanged_count), 0)::integer AS unchanged
          FROM import_queue_chunk
         WHERE workflow_import_queue_batch_id = $1) sums`,
    [batchId],
  );
  return rows[0];
}
