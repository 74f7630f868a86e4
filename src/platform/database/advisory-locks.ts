import type { DatabaseService, Sql, Transaction } from './database.service.js';

/**
 * All advisory locks of the product. Each lock has its own class, the first of the two keys that PostgreSQL takes. The
 * second key identifies the object within the class, and is 0 for locks of which each installation has one. Two-key
 * locks have their own key space, so none of them collides with a one-key lock of an earlier version.
 */
export const ADVISORY_LOCK_CLASSES = {
  /** Bringing the schema up to date. */
  migration: 7_163_001,
  /** One pass of the reconciler. */
  reconciler: 7_163_002,
  /** One sweep of data that is past its retention. */
  retention: 7_163_003,
  /** Applying BOOTSTRAP_API_KEY. */
  bootstrapKey: 7_163_004,
  /** Creating the first administrator. */
  firstAdministrator: 7_163_005,
  /** Values that instances of a workflow share; by workflow. */
  sharedValues: 7_163_006,
  /** Preparing the preview of a batch; by batch. */
  preview: 7_163_007,
  /** Encrypting stored secrets with the present key. */
  secrets: 7_163_009,
  /** The same for webhook endpoints. */
  endpointSecrets: 7_163_010,
  /** The same for targets of import processes. */
  targetSecrets: 7_163_011,
  /** Creating partitions of the records; functions of the database take it. */
  partitions: 7_163_012,
  /** By the first batch id of a partition: shared while a batch arrives in it, exclusive to begin to drop it. */
  partition: 7_163_013,
  /** Encrypting what the outbox holds, with the present key. */
  outboxSecrets: 7_163_014,
} as const;
export type AdvisoryLock = keyof typeof ADVISORY_LOCK_CLASSES;

/** The second key is a 32-bit integer. Larger ids share locks, which costs waiting time but does no harm. */
const KEYS = 2 ** 31 - 1;

/** Waits for the lock. It is free again when the transaction, or its process, ends. */
export async function holdLock(transaction: Transaction, lock: AdvisoryLock, id = 0): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock($1, $2)', keysOf(lock, id));
}

/** Returns whether the transaction holds the lock now. It is free again when the transaction, or its process, ends. */
export async function tryLock(sql: Sql, lock: AdvisoryLock, id = 0): Promise<boolean> {
  const { rows } = await sql.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1, $2) AS locked',
    keysOf(lock, id),
  );
  return rows[0]?.locked === true;
}

/**
 * Runs the work while a transaction holds the lock; returns `null` without running it if another process holds the
 * lock. The work writes in transactions of its own.
 * @param work receives the transaction that holds the lock; a statement on it shows PostgreSQL that the holder lives
 */
export function whileLocked<Result>(
  database: DatabaseService,
  lock: AdvisoryLock,
  work: (holder: Sql) => Promise<Result>,
): Promise<Result | null> {
  return database.transaction(
    async (transaction) => ((await tryLock(transaction, lock)) ? work(transaction) : null),
    { writes: false },
  );
}

function keysOf(lock: AdvisoryLock, id: number): [number, number] {
  return [ADVISORY_LOCK_CLASSES[lock], id % KEYS];
}
