import { COPY_NULL, copyField } from '../../../database/copy/copy-text.js';
import type { Changes } from '../instance-state.js';
import { changesText, copyJson } from '../json-text.js';
import { rowsToCopy, type CopyRows } from './copy-rows.js';

export interface LogRow {
  instanceId: number;
  line: number;
  action: string;
  changes: Changes;
}

/** One entry per effect. */
export function logToInsert(
  { batchId, actor }: { batchId: number | null; actor: string },
  entries: readonly LogRow[],
): CopyRows {
  const actorField = copyField(actor);
  return rowsToCopy(
    'workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)',
    entries,
    ({ instanceId, line, action, changes }) => {
      const origin = batchId === null ? `${COPY_NULL}\t${COPY_NULL}` : `${batchId}\t${line}`;
      return `${instanceId}\t${origin}\t${copyField(action)}\t${actorField}\t${copyJson(changesText(changes))}`;
    },
  );
}
