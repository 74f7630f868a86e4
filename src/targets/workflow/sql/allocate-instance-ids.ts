import type { Transaction } from '../../../database/transaction.js';

/** Ids for new instances, ascending. The sequence is named: to look its name up for each id took longer than the rest. */
export async function allocateInstanceIds(transaction: Transaction, count: number): Promise<number[]> {
  if (count === 0) return [];
  const { rows } = await transaction.query<{ id: number }>(
    `SELECT nextval('workflow_instance_workflow_instance_id_seq') AS id
       FROM generate_series(1, $1)`,
    [count],
  );
  return rows.map(({ id }) => id);
}
