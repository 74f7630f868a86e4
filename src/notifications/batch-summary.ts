import { creatorNames } from '../auth/creator-names.js';
import { type BatchRow, selectBatches } from '../batches/batch-rows.sql.js';
import type { Sql } from '../platform/database/transaction.js';

export interface FailedLine {
  line: number;
  code: string | null;
  message: string | null;
}

/**
 * The first records that failed or were invalid, by line. Each chunk has a count of its errors, so the first N chunks
 * with errors hold the first N errors: in a batch of ten million records, the statement reads at most N chunks.
 */
export async function selectFirstErrors(sql: Sql, batchId: number, limit: number): Promise<FailedLine[]> {
  const { rows } = await sql.query<FailedLine>(
    `WITH guilty AS MATERIALIZED (
       SELECT first_line, last_line
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND invalid_count + failed_count + unknown_count > 0
        ORDER BY chunk_number
        LIMIT $2
     )
     SELECT r.line, r.code, r.message
       FROM guilty
      CROSS JOIN LATERAL (
        SELECT line_number AS line, error_code AS code, error_message AS message
          FROM import_queue_record
         WHERE workflow_import_queue_batch_id = $1
           AND line_number BETWEEN guilty.first_line AND guilty.last_line
           AND status IN ('invalid', 'failed', 'unknown')
         ORDER BY line_number
         LIMIT $2) r
      ORDER BY r.line
      LIMIT $2`,
    [batchId, limit],
  );
  return rows;
}

const ERRORS_SHOWN = 10;

/** What a mail reports about a batch. */
export interface BatchSummary {
  batch: BatchRow;
  /** The name of the user or key that created it. */
  createdBy: string;
  /** At most `ERRORS_SHOWN`, by line. */
  firstErrors: FailedLine[];
}

/** Reads a batch that has ended. Its row has the counts, so ten million records cost as much as ten. */
export async function readBatchSummary(sql: Sql, batchId: number): Promise<BatchSummary> {
  const [batch] = await selectBatches(sql, { id: batchId, limit: 1 });
  if (batch === undefined) throw new Error(`batch ${batchId} is gone`);
  const nameOf = await creatorNames(sql, [batch.createdBy]);
  return {
    batch,
    createdBy: nameOf(batch.createdBy),
    firstErrors: refusedCount(batch) > 0 ? await selectFirstErrors(sql, batchId, ERRORS_SHOWN) : [],
  };
}

export function refusedCount(batch: Pick<BatchRow, 'invalid' | 'failed' | 'unknown'>): number {
  return batch.invalid + batch.failed + batch.unknown;
}
