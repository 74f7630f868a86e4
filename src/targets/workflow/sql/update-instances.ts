import { integerArray, textArray } from '../../../database/array-literal.js';
import type { Transaction } from '../../../database/transaction.js';
import { idOf, type InstanceState } from '../instance-state.js';
import { attributesText } from '../json-text.js';

/** What instances become, as parameters of the statement; `null` if there are none. */
export type InstanceUpdate = readonly string[] | null;

export function instancesToUpdate(instances: readonly InstanceState[]): InstanceUpdate {
  if (instances.length === 0) return null;
  return [
    integerArray(instances.map(idOf)),
    textArray(instances.map(({ status }) => status)),
    textArray(instances.map(({ step }) => step)),
    // JSON has no line ends of its own: joined by them, its many quotes need no escapes.
    instances.map(({ attributes }) => attributesText(attributes)).join('\n'),
  ];
}

/** Instances that this transaction has locked. */
export async function updateInstances(transaction: Transaction, update: InstanceUpdate): Promise<void> {
  if (update === null) return;
  await transaction.query(
    `UPDATE workflow_instance i
        SET status = changed.status, step = changed.step, attributes = changed.attributes::jsonb, updated_at = now()
       FROM unnest($1::bigint[], $2::text[], $3::text[], string_to_array($4, E'\\n'))
         AS changed (id, status, step, attributes)
      WHERE i.workflow_instance_id = changed.id`,
    update,
  );
}
