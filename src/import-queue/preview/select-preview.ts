import type { Sql } from '../../database/transaction.js';
import type { PreviewCounts, PreviewOperation, StoredPreview } from './previewed-record.js';

/** Counts of a stored preview; `null` while there is none. */
export async function selectPreviewCounts(sql: Sql, batchId: number): Promise<PreviewCounts | null> {
  const { rows } = await sql.query<PreviewCounts & { chunks: number }>(
    `SELECT count(*) AS chunks, coalesce(sum(create_count), 0) AS "create",
            coalesce(sum(update_count), 0) AS "update", coalesce(sum(unchanged_count), 0) AS "unchanged",
            coalesce(sum(skip_count), 0) AS "skip", coalesce(sum(reject_count), 0) AS "reject"
       FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  const [row] = rows;
  if (row === undefined || row.chunks === 0) return null;
  const { create, update, unchanged, skip, reject } = row;
  return { create, update, unchanged, skip, reject };
}

/** The next chunks of a stored preview that have such a record, from the one with this number on. */
export async function selectPreviewChunks(
  sql: Sql,
  batchId: number,
  from: { chunkNumber: number; operation: PreviewOperation | undefined },
  limit: number,
): Promise<{ chunkNumber: number; outcomes: StoredPreview[] }[]> {
  // The name is one of five; it comes from no request.
  const having = from.operation === undefined ? '' : `AND ${from.operation}_count > 0`;
  const { rows } = await sql.query<{ chunkNumber: number; outcomes: StoredPreview[] }>(
    `SELECT chunk_number AS "chunkNumber", outcomes FROM import_queue_preview
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number >= $2 ${having}
      ORDER BY chunk_number LIMIT $3`,
    [batchId, from.chunkNumber, limit],
  );
  return rows;
}
