import type { Transaction } from '../../../database/transaction.js';

/** Any number; the lock is this and the workflow's id. */
const SHARED_VALUES_LOCK = 7166;

/**
 * Lets one transaction at a time give out values that several instances of the workflow may carry. No index refuses a
 * second instance with such a value, so two chunks that look at once would both find nothing and both create.
 */
export async function lockSharedValues(transaction: Transaction, workflowId: number): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock($1, $2)', [SHARED_VALUES_LOCK, workflowId]);
}
