import type { Sql } from '../../../database/transaction.js';

/** What a header of files for an import process stands for, since somebody said so. */
export interface KeptColumn {
  header: string;
  /** `null`: the column is left out. */
  target: string | null;
  mappedBy: string;
  mappedAt: Date;
}

/** By header; at most `limit`. */
export async function selectKeptColumns(
  sql: Sql,
  importProcessId: number,
  limit: number,
): Promise<KeptColumn[]> {
  const { rows } = await sql.query<KeptColumn>(
    `SELECT header, target, mapped_by AS "mappedBy", mapped_at AS "mappedAt"
       FROM import_process_column WHERE import_process_id = $1 ORDER BY header LIMIT $2`,
    [importProcessId, limit],
  );
  return rows;
}

/** Later files are read as if nobody had said anything of the header. */
export async function deleteKeptColumn(sql: Sql, importProcessId: number, header: string): Promise<void> {
  await sql.query('DELETE FROM import_process_column WHERE import_process_id = $1 AND header = $2', [
    importProcessId,
    header,
  ]);
}
