import type { Transaction } from '../../../database/transaction.js';
import type { StoredInstance } from '../instance-state.js';

/**
 * Locks the instances until the end of the transaction, one after the other in the order given, and reads them as they
 * are then. Everybody gives them in the order of their ids, so that two chunks wait for each other in turn, not in a ring.
 */
export async function lockInstances(
  transaction: Transaction,
  ids: readonly number[],
): Promise<StoredInstance[]> {
  const { rows } = await transaction.query<StoredInstance>(
    `SELECT instance.*
       FROM unnest($1::bigint[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id AS id, status, step, attributes FROM workflow_instance
         WHERE workflow_instance_id = wanted.id
           FOR UPDATE
      ) AS instance`,
    [ids],
  );
  return rows;
}
