import type { Sql } from '../platform/database/transaction.js';
import type { RecordError, RecordOutcome } from '../records/target.js';

export const PREVIEW_OPERATIONS = ['create', 'update', 'unchanged', 'skip', 'reject'] as const;
/** What a record would turn into. */
export type PreviewOperation = (typeof PREVIEW_OPERATIONS)[number];
export type PreviewCounts = Record<PreviewOperation, number>;

export interface PreviewedRecord {
  line: number;
  operation: PreviewOperation;
  /** What it would touch; `null` for what does not exist yet. */
  reference: string | null;
  /** Why it would be rejected. */
  error: RecordError | null;
}

/** As it is stored: names would be most of it. */
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

export function countOperations(previews: readonly StoredPreview[]): PreviewCounts {
  const counts: PreviewCounts = { create: 0, update: 0, unchanged: 0, skip: 0, reject: 0 };
  for (const [, operation] of previews) counts[operation] += 1;
  return counts;
}

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
