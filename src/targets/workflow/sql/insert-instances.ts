import { copyField } from '../../../database/copy/copy-text.js';
import type { InstanceState } from '../instance-state.js';
import { attributesText, copyJson } from '../json-text.js';
import { rowsToCopy, type CopyRows } from './copy-rows.js';

/** An instance that has its id. */
export type IdentifiedInstance = Pick<InstanceState, 'status' | 'step' | 'attributes'> & { id: number };

export function instancesToInsert(workflowId: number, instances: readonly IdentifiedInstance[]): CopyRows {
  return rowsToCopy(
    'workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)',
    instances,
    ({ id, status, step, attributes }) =>
      `${id}\t${workflowId}\t${status}\t${copyField(step)}\t${copyJson(attributesText(attributes))}`,
  );
}
