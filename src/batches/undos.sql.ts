import type { mailAddresses } from './batch-control.js';
import type { Transaction } from '../platform/database/database.service.js';
import type { BatchStatus } from './batch-state.js';

/* import_queue_batch: which batch undoes which. */

/**
 * The undo of a batch `id` that is in effect, as an expression; null if there is none. An undo that was canceled or failed
 * does not count, and neither does one that was undone itself: the newest undo of each batch forms a chain, and every
 * second one counts from its end.
 */
export function undoInEffect(id: string): string {
  return `(WITH RECURSIVE chain AS (
           SELECT ${id} AS id, 0 AS depth
            UNION ALL
           SELECT (SELECT max(u.workflow_import_queue_batch_id) FROM import_queue_batch u
                    WHERE u.undo_of = chain.id AND u.status NOT IN ('canceled', 'failed')), depth + 1
             FROM chain WHERE chain.id IS NOT NULL)
         SELECT CASE WHEN max(depth) % 2 = 1 THEN max(id) FILTER (WHERE depth = 1) END
           FROM chain WHERE chain.id IS NOT NULL)`;
}

/** The facts that decide whether a batch can be undone. */
export interface UndoableBatch {
  status: BatchStatus;
  expiredAt: Date | null;
  lastLineFirst: boolean;
  /** The undo of it that is in effect. */
  undoneBy: number | null;
}

/** Locks the batch, so that it is undone only once. */
export async function lockUndone(
  transaction: Transaction,
  batchId: number,
): Promise<(UndoableBatch & ReturnType<typeof mailAddresses>) | undefined> {
  await transaction.query(
    'SELECT FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 FOR NO KEY UPDATE',
    [batchId],
  );
  // A separate statement: only a statement that begins after the lock was taken sees the undo of the previous call.
  const { rows } = await transaction.query<UndoableBatch & ReturnType<typeof mailAddresses>>(
    `SELECT status, expired_at AS "expiredAt", last_line_first AS "lastLineFirst",
            send_success_email_to AS "sendSuccessEmailTo", send_failure_email_to AS "sendFailureEmailTo",
            ${undoInEffect('b.workflow_import_queue_batch_id')} AS "undoneBy"
       FROM import_queue_batch b WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return rows[0];
}
