import { integerArray, textArray } from '../../../database/array-literal.js';
import type { Transaction } from '../../../database/transaction.js';

export interface FormerIdentifier {
  name: string;
  value: string;
  instanceId: number;
}

/** Takes values from instances; what an instance does not carry is passed over. */
export async function deleteIdentifiers(
  transaction: Transaction,
  workflowId: number,
  identifiers: readonly FormerIdentifier[],
): Promise<void> {
  if (identifiers.length === 0) return;
  await transaction.query(
    `DELETE FROM workflow_identifier i
      USING unnest($2::text[], $3::text[], $4::bigint[]) AS former (name, value, instance_id)
      WHERE i.workflow_id = $1 AND i.name = former.name COLLATE "C" AND i.value = former.value COLLATE "C"
        AND i.workflow_instance_id = former.instance_id`,
    [
      workflowId,
      textArray(identifiers.map(({ name }) => name)),
      textArray(identifiers.map(({ value }) => value)),
      integerArray(identifiers.map(({ instanceId }) => instanceId)),
    ],
  );
}
