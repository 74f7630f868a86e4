import type { CopyRows } from '../../../database/copy/copy-together.js';
import { COPY_NULL, copyField } from '../../../database/copy/copy-text.js';
import { idOf } from '../instance-state.js';
import { changesText, copyJson } from '../json-text.js';
import type { Effect } from '../resolve-rows.js';
import { rowsToCopy } from './rows-to-copy.js';

/** One entry per effect. */
export function logToInsert(
  { batchId, actor }: { batchId: number | null; actor: string },
  effects: readonly Effect[],
): CopyRows {
  const actorField = copyField(actor);
  return rowsToCopy(
    'workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)',
    effects,
    ({ instance, line, action, changes }) => {
      const origin = batchId === null ? `${COPY_NULL}\t${COPY_NULL}` : `${batchId}\t${line}`;
      return `${idOf(instance)}\t${origin}\t${copyField(action)}\t${actorField}\t${copyJson(changesText(changes))}`;
    },
  );
}
