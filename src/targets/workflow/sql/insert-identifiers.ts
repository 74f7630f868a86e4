import { copyField } from '../../../database/copy/copy-text.js';
import type { IdentifierValue } from '../../../workflows/rows/parsed-row.js';
import { rowsToCopy, type CopyRows } from './copy-rows.js';

export interface IdentifierRow extends Pick<IdentifierValue, 'name' | 'value' | 'unique'> {
  instanceId: number;
}

/**
 * In one order for everybody: two chunks that insert the same values then wait for each other in turn, not in a ring.
 * Writing them throws 23505 when another transaction has given a unique value to another instance.
 */
export function identifiersToInsert(workflowId: number, identifiers: IdentifierRow[]): CopyRows {
  const sorted = identifiers.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
  return rowsToCopy(
    'workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)',
    sorted,
    ({ name, value, unique, instanceId }) =>
      `${workflowId}\t${copyField(name)}\t${copyField(value)}\t${unique ? 0 : instanceId}\t${instanceId}`,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
