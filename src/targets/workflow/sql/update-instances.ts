import type { Transaction } from '../../../database/transaction.js';
import { attributesText } from '../json-text.js';
import type { InstanceRow } from './insert-instances.js';

/** Instances that this transaction has locked. */
export async function updateInstances(
  transaction: Transaction,
  instances: readonly InstanceRow[],
): Promise<void> {
  if (instances.length === 0) return;
  await transaction.query(
    `UPDATE workflow_instance i
        SET status = changed.status, step = changed.step, attributes = changed.attributes, updated_at = now()
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::jsonb[]) AS changed (id, status, step, attributes)
      WHERE i.workflow_instance_id = changed.id`,
    [
      instances.map(({ id }) => id),
      instances.map(({ status }) => status),
      instances.map(({ step }) => step),
      instances.map(({ attributes }) => attributesText(attributes)),
    ],
  );
}
