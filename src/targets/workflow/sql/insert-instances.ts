import type { JsonValue } from '../../../common/json.js';
import type { Transaction } from '../../../database/transaction.js';
import type { InstanceStatus } from '../../../workflows/entities/workflow-instance.entity.js';
import { attributesText } from '../json-text.js';
import { copyRows } from './copy-rows.js';

/** What is written of an instance. */
export interface InstanceRow {
  id: number;
  status: InstanceStatus;
  step: string | null;
  attributes: ReadonlyMap<string, JsonValue>;
}

export function insertInstances(
  transaction: Transaction,
  workflowId: number,
  instances: readonly InstanceRow[],
): Promise<void> {
  return copyRows(
    transaction,
    'workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)',
    instances,
    ({ id, status, step, attributes }) => [id, workflowId, status, step, attributesText(attributes)],
  );
}
