import type { UploadFindings } from '../batches/upload-findings.js';
import type { ColumnMapping } from '../formats/csv/csv-columns.js';
import type { Sql } from '../platform/database/database.service.js';

/*
 * Table `import_process_column`: the mapping of headers that is kept for later files of an import process. Confirming an
 * upload stores the mapping of its file; a header that is mapped to itself needs no row and removes an existing one.
 */

/** The mapping that earlier files of this import process have left. */
export async function savedMapping(sql: Sql, importProcessId: number): Promise<ColumnMapping> {
  const { rows } = await sql.query<{ header: string; target: string | null }>(
    'SELECT header, target FROM import_process_column WHERE import_process_id = $1',
    [importProcessId],
  );
  return new Map(rows.map(({ header, target }) => [header, target]));
}

/** Keeps the mapping of this batch's file; returns whether it has one. */
export async function saveMappingOf(
  sql: Sql,
  batchId: number,
  importProcessId: number,
  mappedBy: string,
): Promise<boolean> {
  const { rows } = await sql.query<{ mapping: UploadFindings['mapping'] | null }>(
    `SELECT upload -> 'mapping' AS mapping FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  const mapping = rows[0]?.mapping ?? [];
  if (mapping.length === 0) return false;
  // In one order everywhere, so that two concurrent calls wait in turn and cannot deadlock.
  const entries = mapping.sort(([a], [b]) => (a < b ? -1 : 1));
  const plain = entries.filter(([header, target]) => header === target).map(([header]) => header);
  await sql.query(
    'DELETE FROM import_process_column WHERE import_process_id = $1 AND header = ANY ($2::text[])',
    [importProcessId, plain],
  );
  const kept = entries.filter(([header, target]) => header !== target);
  await sql.query(
    `INSERT INTO import_process_column (import_process_id, header, target, mapped_by)
     SELECT $1, header, target, $4 FROM unnest($2::text[], $3::text[]) AS kept (header, target)
     ON CONFLICT (import_process_id, header)
       DO UPDATE SET target = excluded.target, mapped_by = excluded.mapped_by, mapped_at = now()`,
    [importProcessId, kept.map(([header]) => header), kept.map(([, target]) => target), mappedBy],
  );
  return true;
}

/** The column that a header stands for in files for this import process, as a user mapped it. */
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

/** Later files are read as if the header had never been mapped. Returns whether it was. */
export async function deleteKeptColumn(sql: Sql, importProcessId: number, header: string): Promise<boolean> {
  const { rowCount } = await sql.query(
    'DELETE FROM import_process_column WHERE import_process_id = $1 AND header = $2',
    [importProcessId, header],
  );
  return rowCount > 0;
}
