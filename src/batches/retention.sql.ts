import { deleteBatchMessages, HAS_ENDED } from '../delivery/outbox.sql.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import { deleteDrafts } from './fix-drafts.sql.js';
import { deletePreview } from './previews.sql.js';

/** The records and the preview of a dry run are kept for this long, whatever the retention is. */
const DRY_RUN_HOURS = 24;

/**
 * Marks ended batches past their retention as expired. From then on, no one reads their records, so that no reader
 * encounters a half-deleted batch. Returns how many it marked; call it again until there are fewer than the limit.
 */
export async function expireBatches(sql: Sql, defaultDays: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `WITH past AS (
       SELECT b.workflow_import_queue_batch_id
         FROM import_queue_batch b
         JOIN import_process p USING (import_process_id)
        WHERE b.expired_at IS NULL
          AND (b.finished_at < now() - coalesce(p.retention_days, $1) * interval '1 day'
                 AND coalesce(p.retention_days, $1) > 0
               OR b.status = 'validated' AND b.finished_at < now() - interval '${DRY_RUN_HOURS} hours')
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

/** Locks batches that have been paused for longer than their records may be kept. */
export async function lockLongPaused(sql: Sql, defaultDays: number, limit: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT b.workflow_import_queue_batch_id AS id
       FROM import_queue_batch b
       JOIN import_process p USING (import_process_id)
      WHERE b.status = 'paused' AND coalesce(p.retention_days, $1) > 0
        AND b.created_at + coalesce(b.paused_after, interval '0')
              < now() - coalesce(p.retention_days, $1) * interval '1 day'
      ORDER BY b.workflow_import_queue_batch_id
      LIMIT $2
        FOR NO KEY UPDATE OF b SKIP LOCKED`,
    [defaultDays, limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Marks one ended batch as expired, whatever its retention. Returns whether it was not marked before. Callers must have
 * locked the row and checked that the batch has ended.
 */
export async function expireNow(transaction: Transaction, batchId: number): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_batch SET expired_at = now()
      WHERE workflow_import_queue_batch_id = $1 AND expired_at IS NULL AND finished_at IS NOT NULL`,
    [batchId],
  );
  return rowCount === 1;
}

/**
 * The next expired batch that still has records. It leaves batches that have just expired to the downloads under way.
 */
export async function nextBatchToEmpty(sql: Sql, graceMs: number): Promise<number | null> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id
       FROM import_queue_batch
      WHERE expired_at <= now() - $1 * interval '1 millisecond' AND emptied_at IS NULL
      ORDER BY workflow_import_queue_batch_id
      LIMIT 1`,
    [graceMs],
  );
  return rows[0]?.id ?? null;
}

/**
 * Deletes the next chunks of the batch with their records, about as many records as the limit at a time, and in the
 * last step its previews, mails, mail addresses and drafts, and the values that findings of an upload quote. Returns how
 * many records were deleted. The transaction is small, so that it blocks neither writers nor vacuum.
 */
export async function deleteStep(
  transaction: Transaction,
  batchId: number,
  records: number,
): Promise<{ deleted: number; emptied: boolean }> {
  const { rows } = await transaction.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM import_queue_partition WHERE $1 >= first_batch_id AND $1 < end_batch_id) AS found`,
    [batchId],
  );
  // Without their partition, the records are gone, and many chunks are as quickly deleted as few.
  const hasRecords = rows[0]?.found === true;
  const { rowCount: deleted } = await transaction.query(
    `WITH chunk AS MATERIALIZED (
       SELECT chunk_number, first_line, last_line
         FROM (SELECT chunk_number, first_line, last_line,
                      sum(record_count) OVER (ORDER BY chunk_number) - record_count AS before
                 FROM (SELECT * FROM import_queue_chunk
                        WHERE workflow_import_queue_batch_id = $1 ORDER BY chunk_number
                        LIMIT CASE WHEN $3 THEN 100 ELSE 10000 END) head) counted
        WHERE before < $2 OR NOT $3
     ), gone AS (
       DELETE FROM import_queue_chunk c USING chunk
        WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = chunk.chunk_number
     ), delivery AS (
       DELETE FROM import_queue_delivery
        WHERE workflow_import_queue_batch_id = $1
          AND line_number BETWEEN (SELECT min(first_line) FROM chunk) AND (SELECT max(last_line) FROM chunk)
     ), outcome AS (
       DELETE FROM import_queue_outcome
        WHERE workflow_import_queue_batch_id = $1
          AND line_number BETWEEN (SELECT min(first_line) FROM chunk) AND (SELECT max(last_line) FROM chunk)
     )
     DELETE FROM import_queue_line
      WHERE workflow_import_queue_batch_id = $1
        AND line_number BETWEEN (SELECT min(first_line) FROM chunk) AND (SELECT max(last_line) FROM chunk)`,
    [batchId, records, hasRecords],
  );
  const { rowCount: emptied } = await transaction.query(
    `UPDATE import_queue_batch b
        SET emptied_at = now(), send_success_email_to = NULL, send_failure_email_to = NULL,
            upload = ((upload::jsonb || '{"errorGroups": [], "warnings": []}') #- '{reading,sendSuccessEmailTo}'
                      #- '{reading,sendFailureEmailTo}')::json
      WHERE b.workflow_import_queue_batch_id = $1 AND b.emptied_at IS NULL
        AND NOT EXISTS (SELECT FROM import_queue_chunk c WHERE c.workflow_import_queue_batch_id = $1)`,
    [batchId],
  );
  if (emptied > 0) {
    await deletePreview(transaction, batchId);
    await deleteBatchMessages(transaction, batchId);
    await deleteDrafts(transaction, batchId);
  }
  return { deleted, emptied: emptied > 0 };
}

/**
 * Batches without records that still have mails or webhooks which have ended: all batches that were just emptied, and
 * batches whose messages stayed unsent past the batch's retention. It walks the index by batch, not by row.
 */
export async function selectEmptiedWithBehaviors(sql: Sql): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `WITH RECURSIVE sender AS (
       (SELECT workflow_import_queue_batch_id AS id
          FROM outbox
         WHERE workflow_import_queue_batch_id IS NOT NULL AND workflow_instance_id IS NOT NULL AND ${HAS_ENDED}
         ORDER BY workflow_import_queue_batch_id
         LIMIT 1)
       UNION ALL
       SELECT (SELECT workflow_import_queue_batch_id
                 FROM outbox
                WHERE workflow_import_queue_batch_id > sender.id AND workflow_instance_id IS NOT NULL AND ${HAS_ENDED}
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

/**
 * Deletes keys whose answer is older than the limit, and those of calls that died. One step; call it again while it
 * returns the limit.
 */
export async function deleteIdempotencyKeys(sql: Sql, hours: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM idempotency_key k
      USING (SELECT principal, key FROM idempotency_key
              WHERE created_at < now() - $1 * interval '1 hour' AND locked_until < now()
              ORDER BY created_at LIMIT $2) old
      WHERE k.principal = old.principal AND k.key = old.key AND k.locked_until < now()`,
    [hours, limit],
  );
  return rowCount;
}
