import { setTimeout as delay } from 'node:timers/promises';
import { deleteBatchMessages, HAS_ENDED } from '../delivery/outbox.sql.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import type { DatabaseService, Sql, Transaction } from '../platform/database/database.service.js';
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

/*
 * import_queue_partition. One row per range of batch ids; its lines, outcomes and previews are in tables of its own, named
 * import_queue_line_p1000 and so on after the first id (ADR 41). Its states:
 *
 *   created (ahead of use, or by the trigger that sees the first batch) ──► dropping ──► row and tables deleted
 *
 * A range is dropped as a whole once all of its ids were given out and all of its batches have expired.
 */

/** The tables that are partitioned. */
const PARTITIONED = ['import_queue_line', 'import_queue_outcome', 'import_queue_preview'] as const;

/**
 * Creates partitions until one lies ahead of all ids that were given out; answers how many. Should a burst of batches
 * overtake it, a trigger creates the partition in the transaction that inserts the batch.
 */
export async function createPartitions(sql: Sql, width: number): Promise<number> {
  const { rows } = await sql.query<{ created: number }>(
    'SELECT import_queue_create_partitions($1) AS created',
    [width],
  );
  return rows[0]?.created ?? 0;
}

/** Whether every batch of the partition `p` has expired, and downloads under way have had their time. */
const HAS_EXPIRED = `p.end_batch_id <= (SELECT max(workflow_import_queue_batch_id) FROM import_queue_batch)
        AND NOT EXISTS (SELECT FROM import_queue_batch b
                         WHERE b.workflow_import_queue_batch_id >= p.first_batch_id
                           AND b.workflow_import_queue_batch_id < p.end_batch_id
                           AND (b.expired_at IS NULL OR b.expired_at > now() - $1 * interval '1 millisecond'))`;

/** The partitions that can be dropped, oldest first, also those whose drop was interrupted; each by its first batch id. */
export async function selectDroppable(sql: Sql, graceMs: number): Promise<number[]> {
  const { rows } = await sql.query<{ first: number }>(
    `SELECT first_batch_id AS first FROM import_queue_partition p
      WHERE dropping_at IS NOT NULL OR ${HAS_EXPIRED}
      ORDER BY first_batch_id`,
    [graceMs],
  );
  return rows.map(({ first }) => first);
}

/**
 * Marks the partition as being dropped. Answers `false` if a batch is still arriving in it, or no longer all of its
 * batches have expired.
 */
async function beginDrop(database: DatabaseService, first: number, graceMs: number): Promise<boolean> {
  return database.transaction(async (transaction) => {
    if (!(await tryLock(transaction, 'partition', first))) return false;
    const { rowCount } = await transaction.query(
      `UPDATE import_queue_partition p SET dropping_at = coalesce(dropping_at, now())
        WHERE first_batch_id = $2 AND (dropping_at IS NOT NULL OR ${HAS_EXPIRED})`,
      [graceMs, first],
    );
    return rowCount > 0;
  });
}

/** How long one attempt may wait for a lock; statements that come meanwhile wait with it. */
const LOCK_TIMEOUT_MS = 100;
const ATTEMPTS = 20;
const PAUSE_MS = 200;
/** lock_not_available; deadlock_detected */
const IN_THE_WAY: readonly unknown[] = ['55P03', '40P01'];

/**
 * Drops the tables of a partition that can be dropped; answers whether they are gone. An interrupted drop is continued
 * by the next call. Running work never waits for it: the owner of the tables detaches them concurrently, which waits for
 * running statements without stopping later ones. Another role cannot; it detaches with a lock that it waits for only
 * briefly, again and again.
 * @param signal ends the attempts
 */
export async function dropPartition(
  database: DatabaseService,
  first: number,
  graceMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await beginDrop(database, first, graceMs))) return false;
  for (const table of PARTITIONED) await detachConcurrently(database, table, first, signal);
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await database.transaction(async (transaction) => {
        await transaction.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        await transaction.query('SELECT import_queue_drop_partition($1)', [first]);
      });
      return true;
    } catch (error) {
      if (!IN_THE_WAY.includes((error as { code?: unknown }).code) || attempt >= ATTEMPTS) throw error;
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return false;
}

/** How long to wait for the transactions that use the table, such as a large COPY. */
const DETACH_WITHIN_MS = 30_000;

/** Detaches the partition if the role may, and the transactions that use its table end in time. */
async function detachConcurrently(
  database: DatabaseService,
  table: (typeof PARTITIONED)[number],
  first: number,
  signal: AbortSignal,
): Promise<void> {
  const partition = `${table}_p${first}`;
  const { rows } = await database.query<{ possible: boolean }>(
    `SELECT pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (
              SELECT FROM pg_inherits other WHERE other.inhparent = c.oid AND other.inhdetachpending) AS possible
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
      WHERE i.inhrelid = to_regclass($1)`,
    [partition],
  );
  if (rows[0]?.possible !== true) return;
  const statement = `ALTER TABLE ${table} DETACH PARTITION ${partition} CONCURRENTLY`;
  const late = AbortSignal.any([signal, AbortSignal.timeout(DETACH_WITHIN_MS)]);
  const cancel = () =>
    void database
      .query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND query = $1 AND state = 'active'`,
        [statement],
      )
      .catch(() => undefined);
  late.addEventListener('abort', cancel, { once: true });
  try {
    // PostgreSQL admits it only outside a transaction, so a lock_timeout cannot be set for it: behind a pooler, a
    // setting of the session would outlive this statement.
    await database.connected((connection) => connection.query(statement));
  } catch (error) {
    // What is left of it is completed with the drop.
    if (!late.aborted) throw error;
  } finally {
    late.removeEventListener('abort', cancel);
  }
}
