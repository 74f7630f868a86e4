import type { Sql, Transaction } from '../platform/database/transaction.js';
import type { BatchStatus, UnfinishedStatus } from './batch-state.js';
import { lookAhead } from './chunks.sql.js';

/** What a worker has to know of a batch before it opens a chunk's transaction. */
export interface RunningBatch {
  id: number;
  status: BatchStatus;
  failureReason: string | null;
  importProcessId: number;
  importProcessVersion: number;
  workflowVersion: number | null;
  createdBy: string;
}

/**
 * Reads the batch and, with its first chunk, says that it has begun: in a statement of its own, so that the chunks of
 * a batch do not wait for each other on the batch row.
 */
export async function startBatch(sql: Sql, batchId: number): Promise<RunningBatch | undefined> {
  const { rows } = await sql.query<RunningBatch>(
    `SELECT workflow_import_queue_batch_id AS id, status, failure_reason AS "failureReason",
            import_process_id AS "importProcessId", import_process_version AS "importProcessVersion",
            workflow_version AS "workflowVersion", created_by AS "createdBy"
       FROM import_queue_batch
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  if (rows[0]?.status === 'queued') {
    await sql.query(
      `UPDATE import_queue_batch SET status = 'in_progress', started_at = coalesce(started_at, now())
        WHERE workflow_import_queue_batch_id = $1 AND status = 'queued'`,
      [batchId],
    );
  }
  return rows[0];
}

/**
 * How many chunks of the batch may be queued at a time, or `null` if it takes none now (paused, ended). Locks the
 * batch row: whoever fills the window next waits, and then counts what this transaction queued. Chunks that run
 * meanwhile do not touch the batch row, and rows that refer to it can still be written.
 */
export async function lockWindow(
  transaction: Transaction,
  batchId: number,
  chunkWindow: number,
): Promise<number | null> {
  const { rows } = await transaction.query<{ window: number }>(
    `SELECT CASE WHEN v.ordered THEN 1 ELSE $2::integer END AS "window"
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
      WHERE b.workflow_import_queue_batch_id = $1
        AND b.status IN ('queued', 'in_progress', 'canceling')
        FOR NO KEY UPDATE OF b`,
    [batchId, chunkWindow],
  );
  return rows[0]?.window ?? null;
}

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

/** Writes the terminal status and, so that lists need not add up chunks, the counts. Answers whether it did. */
export async function writeBatchEnd(
  transaction: Transaction,
  batchId: number,
  to: BatchStatus,
  batch: EndedBatch,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_batch
        SET status = $3, finished_at = now(), succeeded_count = $4, failed_count = $5, skipped_count = $6,
            canceled_count = $7, unknown_count = $8, created_count = $9, updated_count = $10, unchanged_count = $11
      WHERE workflow_import_queue_batch_id = $1 AND status = $2`,
    [
      batchId,
      batch.status,
      to,
      batch.succeeded,
      batch.failed,
      batch.skipped,
      batch.canceled,
      batch.unknown,
      batch.created,
      batch.updated,
      batch.unchanged,
    ],
  );
  return rowCount === 1;
}

/**
 * The batch cannot be processed at all. Its remaining chunks still pass through the consumer, which cancels their
 * records chunk by chunk instead of in one long transaction; then the batch ends as failed.
 */
export async function writeBatchFault(sql: Sql, batchId: number, reason: string): Promise<void> {
  await sql.query(
    `UPDATE import_queue_batch SET failure_reason = $2
      WHERE workflow_import_queue_batch_id = $1 AND failure_reason IS NULL
        AND status IN ('queued', 'in_progress', 'paused')`,
    [batchId, reason],
  );
}

/** Ends a batch that awaits confirmation and is locked: its records were never tried, and are canceled. */
export async function abandonBatch(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_record SET status = 'canceled'
      WHERE workflow_import_queue_batch_id = $1 AND status = 'pending'`,
    [batchId],
  );
  await transaction.query(
    `UPDATE import_queue_chunk
        SET canceled_count = record_count - invalid_count, state = 'done', done_at = coalesce(done_at, now())
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  await transaction.query(
    `UPDATE import_queue_batch
        SET status = 'canceled', finished_at = now(), canceled_count = total_count - invalid_count,
            succeeded_count = 0, failed_count = 0, skipped_count = 0, unknown_count = 0,
            created_count = 0, updated_count = 0, unchanged_count = 0
      WHERE workflow_import_queue_batch_id = $1 AND status = 'awaiting_confirmation'`,
    [batchId],
  );
}

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

/** The batches that sent records of this one again, oldest first; canceled ones as well, so that nothing is hidden. */
export async function selectChildren(sql: Sql, batchId: number, limit: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id FROM import_queue_batch
     WHERE retry_of = $1 ORDER BY workflow_import_queue_batch_id LIMIT $2`,
    [batchId, limit],
  );
  return rows.map(({ id }) => id);
}
