import type { Sql } from '../../../database/transaction.js';
import type { StoredInstance } from '../instance-state.js';

/** The instances as they are. Somebody may change them the next moment: to be looked at, not to be acted upon. */
export async function selectInstances(sql: Sql, ids: readonly number[]): Promise<StoredInstance[]> {
  const { rows } = await sql.query<StoredInstance>(
    `SELECT workflow_instance_id AS id, status, step, attributes
       FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[])`,
    [ids],
  );
  return rows;
}
