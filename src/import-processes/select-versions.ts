import type { Sql } from '../database/transaction.js';
import type { TargetConfiguration } from '../targets/target.js';

/** What an import process did from one change to the next. */
export interface ImportProcessVersion {
  version: number;
  name: string;
  target: TargetConfiguration;
  createdBy: string;
  createdAt: Date;
}

/** Newest first, at most so many. */
export async function selectVersions(sql: Sql, id: number, limit: number): Promise<ImportProcessVersion[]> {
  const { rows } = await sql.query<ImportProcessVersion>(
    `SELECT version, name, target, created_by AS "createdBy", created_at AS "createdAt"
       FROM import_process_version
      WHERE import_process_id = $1
      ORDER BY version DESC LIMIT $2`,
    [id, limit],
  );
  return rows;
}
