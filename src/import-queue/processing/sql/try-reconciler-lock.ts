import type { Transaction } from '../../../database/transaction.js';

/** Any number, the same in every worker of an installation. */
const RECONCILER = 7_163_001;

/** Answers whether the transaction holds the lock now; it is free again when the transaction, or its worker, ends. */
export async function tryReconcilerLock(transaction: Transaction): Promise<boolean> {
  const { rows } = await transaction.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1) AS locked',
    [RECONCILER],
  );
  return rows[0]?.locked === true;
}
