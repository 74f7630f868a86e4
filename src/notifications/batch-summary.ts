import type { Sql } from '../database/transaction.js';
import { type BatchRow, selectBatches } from '../import-queue/results/select-batches.js';
import { creatorNames } from '../auth/creator-names.js';
import { type FailedLine, selectFirstErrors } from './sql/select-first-errors.js';

export const ERRORS_SHOWN = 10;

/** What a mail tells of a batch. */
export interface BatchSummary {
  batch: BatchRow;
  /** Who made it, as people call them. */
  createdBy: string;
  /** At most `ERRORS_SHOWN`, by line. */
  firstErrors: FailedLine[];
}

/** Reads a batch that has ended: its counts stand in its row, so that ten million records cost what ten do. */
export async function readBatchSummary(sql: Sql, batchId: number): Promise<BatchSummary> {
  const [batch] = await selectBatches(sql, {
    conditions: ['b.workflow_import_queue_batch_id = $2'],
    values: [batchId],
    limit: 1,
  });
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
