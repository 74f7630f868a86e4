import type { Transaction } from '../../../database/transaction.js';
import type { IdentifierValue } from '../../../workflows/rows/parsed-row.js';
import { copyRows } from './copy-rows.js';

export interface IdentifierRow extends Pick<IdentifierValue, 'name' | 'value' | 'unique'> {
  instanceId: number;
}

/**
 * In one order for everybody: two chunks that insert the same values then wait for each other in turn, not in a ring.
 * @throws 23505 when another transaction has given a unique value to another instance
 */
export function insertIdentifiers(
  transaction: Transaction,
  workflowId: number,
  identifiers: readonly IdentifierRow[],
): Promise<void> {
  const sorted = [...identifiers].sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
  return copyRows(
    transaction,
    'workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)',
    sorted,
    ({ name, value, unique, instanceId }) => [workflowId, name, value, unique ? 0 : instanceId, instanceId],
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
