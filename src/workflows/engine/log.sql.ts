import { type CopyInput, rowsToCopy } from '../../platform/database/copy-rows.js';
import { COPY_NULL, copyField } from '../../platform/database/pg-text.js';
import type { Sql } from '../../platform/database/transaction.js';
import { idOf } from './instance-state.js';
import { changesText, copyJson } from './json-text.js';
import type { Effect } from './resolve-rows.js';

/*
 * Table `workflow_log`: one row per effect of one action on one instance. Rows are only ever inserted, and always into
 * this table itself, so that triggers on it fire; retention and erasure delete them.
 */

/** One entry per effect. */
export function logToInsert(
  { batchId, actor }: { batchId: number | null; actor: string },
  effects: readonly Effect[],
): CopyInput {
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

/** One effect of one action, as it is stored. */
export interface LogRow {
  id: number;
  batchId: number | null;
  line: number | null;
  action: string;
  actor: string;
  /** JSON text: `{"First Name": [before, after], …}`. */
  changes: string;
  loggedAt: Date;
}

/** Newest first: at most `limit` entries, only those before `after`. */
export async function selectLog(
  sql: Sql,
  instanceId: number,
  limit: number,
  after: number | undefined,
): Promise<LogRow[]> {
  const { rows } = await sql.query<LogRow>(
    `SELECT workflow_log_id AS id, workflow_import_queue_batch_id AS "batchId", line_number AS line, action, actor,
            changes::text AS changes, logged_at AS "loggedAt"
       FROM workflow_log
      WHERE workflow_instance_id = $1 AND ($3::bigint IS NULL OR workflow_log_id < $3)
      ORDER BY workflow_log_id DESC LIMIT $2`,
    [instanceId, limit, after ?? null],
  );
  return rows;
}
