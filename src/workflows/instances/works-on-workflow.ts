import type { Sql } from '../../database/transaction.js';
import type { TargetConfiguration } from '../../targets/target.js';

/**
 * Whether one of the import processes performs actions of the workflow now. The configurations are compared here:
 * PostgreSQL would fail on an escape of U+0000 anywhere in one of them.
 */
export async function worksOnWorkflow(
  sql: Sql,
  importProcessIds: readonly number[],
  workflow: string,
): Promise<boolean> {
  const { rows } = await sql.query<{ target: TargetConfiguration }>(
    `SELECT target FROM import_process JOIN import_process_version USING (import_process_id)
      WHERE import_process_id = ANY ($1::bigint[]) AND version = current_version`,
    [importProcessIds],
  );
  return rows.some(({ target }) => target.kind === 'workflow' && target.workflow === workflow);
}
