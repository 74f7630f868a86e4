import type { Sql } from '../../../database/transaction.js';
import type { BatchStatus } from '../../batch-state.js';

/** What a worker has to know of a batch before it opens a chunk's transaction. */
export interface RunningBatch {
  id: number;
  status: BatchStatus;
  failureReason: string | null;
  importProcessId: number;
  importProcessVersion: number;
  workflowVersion: number | null;
  createdBy: string;
}

/**
 * Reads the batch and, with its first chunk, says that it has begun: in a statement of its own, so that the chunks of
 * a batch do not wait for each other on the batch row.
 */
export async function startBatch(sql: Sql, batchId: number): Promise<RunningBatch | undefined> {
  const { rows } = await sql.query<RunningBatch>(
    `SELECT workflow_import_queue_batch_id AS id, status, failure_reason AS "failureReason",
            import_process_id AS "importProcessId", import_process_version AS "importProcessVersion",
            workflow_version AS "workflowVersion", created_by AS "createdBy"
       FROM import_queue_batch
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  if (rows[0]?.status === 'queued') {
    await sql.query(
      `UPDATE import_queue_batch SET status = 'in_progress', started_at = coalesce(started_at, now())
        WHERE workflow_import_queue_batch_id = $1 AND status = 'queued'`,
      [batchId],
    );
  }
  return rows[0];
}
