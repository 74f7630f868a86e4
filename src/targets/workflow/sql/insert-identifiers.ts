import type { CopyRows } from '../../../database/copy/copy-together.js';
import { copyField } from '../../../database/copy/copy-text.js';
import type { IdentifierValue } from '../../../workflows/rows/parsed-row.js';
import { idOf, type InstanceState } from '../instance-state.js';
import { rowsToCopy } from './rows-to-copy.js';

interface IdentifierRow {
  identifier: IdentifierValue;
  instanceId: number;
}

/**
 * The new identifiers of the instances, in one order for everybody: two chunks that insert the same values then wait
 * for each other in turn, not in a ring.
 * Writing them throws 23505 when another transaction has given a unique value to another instance.
 */
export function identifiersToInsert(workflowId: number, instances: readonly InstanceState[]): CopyRows {
  const rows: IdentifierRow[] = [];
  for (const instance of instances) {
    const instanceId = idOf(instance);
    for (const identifier of instance.newIdentifiers.values()) rows.push({ identifier, instanceId });
  }
  rows.sort((a, b) => compare(a.identifier, b.identifier));
  return rowsToCopy(
    'workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)',
    rows,
    ({ identifier: { name, value, unique }, instanceId }) =>
      `${workflowId}\t${copyField(name)}\t${copyField(value)}\t${unique ? 0 : instanceId}\t${instanceId}`,
  );
}

function compare(a: IdentifierValue, b: IdentifierValue): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}
