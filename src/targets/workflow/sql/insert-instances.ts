import type { CopyRows } from '../../../database/copy/copy-together.js';
import { copyField } from '../../../database/copy/copy-text.js';
import { idOf, type InstanceState } from '../instance-state.js';
import { attributesText, copyJson } from '../json-text.js';
import { rowsToCopy } from './rows-to-copy.js';

export function instancesToInsert(workflowId: number, instances: readonly InstanceState[]): CopyRows {
  return rowsToCopy(
    'workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)',
    instances,
    (instance) =>
      `${idOf(instance)}\t${workflowId}\t${instance.status}\t${copyField(instance.step)}\t${copyJson(attributesText(instance.attributes))}`,
  );
}
