import type { Sql } from '../../database/transaction.js';

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

/** Newest first; at most `limit`, only those before `after`. */
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
