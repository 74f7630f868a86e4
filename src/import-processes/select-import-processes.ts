import type { Sql } from '../database/transaction.js';
import type { ImportProcess } from './import-process.js';

/** The current versions, by display order; all of them, or one. */
export async function selectImportProcesses(sql: Sql, id: number | null = null): Promise<ImportProcess[]> {
  const { rows } = await sql.query<ImportProcess>(
    `SELECT import_process_id AS id, version, import_process.name, description, note, icon,
            display_order AS "displayOrder", status, retention_days AS "retentionDays", ordered, target, record_schema AS "recordSchema",
            import_process.created_at AS "createdAt", updated_at AS "updatedAt"
       FROM import_process JOIN import_process_version USING (import_process_id)
      WHERE version = current_version AND ($1::bigint IS NULL OR import_process_id = $1)
      ORDER BY display_order, import_process.name`,
    [id],
  );
  return rows;
}
