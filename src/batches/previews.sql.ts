import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { RecordError, RecordOutcome } from '../records/target.js';

/*
 * import_queue_preview. One row per chunk, without states. One transaction inserts all rows of a batch while it awaits
 * confirmation. Rows are never updated, and are deleted with the records of the batch.
 */

export const PREVIEW_OPERATIONS = ['create', 'update', 'unchanged', 'skip', 'reject'] as const;
/** The effect that a record would have. */
export type PreviewOperation = (typeof PREVIEW_OPERATIONS)[number];
export type PreviewCounts = Record<PreviewOperation, number>;

export interface PreviewedRecord {
  line: number;
  operation: PreviewOperation;
  /** The instance that the record would change; `null` if the instance does not exist yet. */
  reference: string | null;
  /** Why the record would be rejected. */
  error: RecordError | null;
}

/** The stored form is an array, because member names would take most of the space. */
export type StoredPreview = [
  line: number,
  operation: PreviewOperation,
  reference: string | null,
  ...error: [] | [code: string, message: string, pointer: string | null],
];

const OPERATIONS = { created: 'create', updated: 'update', unchanged: 'unchanged' } as const;

export function toStoredPreview(outcome: RecordOutcome): StoredPreview {
  const { line, reference } = outcome;
  switch (outcome.status) {
    case 'succeeded':
      return [line, OPERATIONS[outcome.operation], reference];
    case 'skipped':
      return [line, 'skip', reference];
    case 'failed': {
      const { code, message, pointer } = outcome.error;
      return [line, 'reject', reference, code, message, pointer ?? null];
    }
  }
}

export function fromStoredPreview([line, operation, reference, ...error]: StoredPreview): PreviewedRecord {
  const [code, message, pointer] = error;
  if (code === undefined || message === undefined) return { line, operation, reference, error: null };
  return { line, operation, reference, error: { code, message, ...(pointer != null && { pointer }) } };
}

function countOperations(previews: readonly StoredPreview[]): PreviewCounts {
  const counts: PreviewCounts = { create: 0, update: 0, unchanged: 0, skip: 0, reject: 0 };
  for (const [, operation] of previews) counts[operation] += 1;
  return counts;
}

/** Stores the preview of one chunk. */
export async function insertPreview(
  transaction: Transaction,
  batchId: number,
  chunkNumber: number,
  previews: readonly StoredPreview[],
): Promise<void> {
  const { create, update, unchanged, skip, reject } = countOperations(previews);
  await transaction.query(
    `INSERT INTO import_queue_preview (workflow_import_queue_batch_id, chunk_number, create_count, update_count,
       unchanged_count, skip_count, reject_count, outcomes)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [batchId, chunkNumber, create, update, unchanged, skip, reject, JSON.stringify(previews)],
  );
}

/** Counts of a stored preview; `null` if there is none. */
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

/** The next chunks of a stored preview that have a matching record, beginning with this number. */
export async function selectPreviewChunks(
  sql: Sql,
  batchId: number,
  from: { chunkNumber: number; operation: PreviewOperation | undefined },
  limit: number,
): Promise<{ chunkNumber: number; outcomes: StoredPreview[] }[]> {
  const { rows } = await sql.query<{ chunkNumber: number; outcomes: StoredPreview[] }>(
    `SELECT chunk_number AS "chunkNumber", outcomes FROM import_queue_preview
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number >= $2
        AND CASE $4::text WHEN 'create' THEN create_count WHEN 'update' THEN update_count WHEN 'skip' THEN skip_count
              WHEN 'unchanged' THEN unchanged_count WHEN 'reject' THEN reject_count ELSE 1 END > 0
      ORDER BY chunk_number LIMIT $3`,
    [batchId, from.chunkNumber, limit, from.operation],
  );
  return rows;
}

export async function deletePreview(sql: Sql, batchId: number): Promise<void> {
  await sql.query('DELETE FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1', [batchId]);
}
