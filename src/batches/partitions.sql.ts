import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from '../platform/database/advisory-locks.js';
import type { DatabaseService, Sql } from '../platform/database/database.service.js';

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
