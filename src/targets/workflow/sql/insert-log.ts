import type { Transaction } from '../../../database/transaction.js';
import type { Changes } from '../instance-state.js';
import { changesText } from '../json-text.js';
import { copyRows } from './copy-rows.js';

export interface LogRow {
  instanceId: number;
  line: number;
  action: string;
  changes: Changes;
}

/** One entry per effect. */
export function insertLog(
  transaction: Transaction,
  { batchId, actor }: { batchId: number | null; actor: string },
  entries: readonly LogRow[],
): Promise<void> {
  return copyRows(
    transaction,
    'workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)',
    entries,
    ({ instanceId, line, action, changes }) => [
      instanceId,
      batchId,
      batchId === null ? null : line,
      action,
      actor,
      changesText(changes),
    ],
  );
}
