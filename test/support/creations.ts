import { checkSum } from '../../src/workflows/engine/log.sql.js';

type Changes = Record<string, [before: null, after: string | number | null]>;

interface Queryable {
  query(text: string): Promise<{ rows: unknown[] }>;
}

/**
 * The log entries of creations whose values no longer have the check sum that was stored with them: a change of the
 * instance has no entry, or its entry does not begin with what the creation left.
 */
export async function brokenCreations(sql: Queryable): Promise<number[]> {
  const { rows } = await sql.query(
    `SELECT workflow_log_id AS id, workflow_log_changes(workflow_log) AS changes,
            workflow_log.changes ->> ':WorkflowCreated' AS created
       FROM workflow_log WHERE workflow_log.changes ->> ':WorkflowCreated' IS NOT NULL`,
  );
  return (rows as { id: number; changes: Changes; created: string }[])
    .filter(({ changes, created }) => {
      const values = Object.entries(changes).map(([name, [before, after]]) => ({
        field: name,
        before,
        after,
      }));
      return checkSum(values) !== created;
    })
    .map(({ id }) => id);
}
