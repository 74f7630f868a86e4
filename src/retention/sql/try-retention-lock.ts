import type { Transaction } from '../../database/transaction.js';

/** Any number, the same in every worker of an installation. */
const RETENTION = 7_163_002;

/** Answers whether the transaction is the one that deletes now; free again when it, or its worker, ends. */
export async function tryRetentionLock(transaction: Transaction): Promise<boolean> {
  const { rows } = await transaction.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1) AS locked',
    [RETENTION],
  );
  return rows[0]?.locked === true;
}
