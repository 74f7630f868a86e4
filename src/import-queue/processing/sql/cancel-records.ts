import type { Transaction } from '../../../database/transaction.js';

/** Marks the records of these lines that were never tried as canceled; answers how many. */
export async function cancelRecords(
  transaction: Transaction,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record SET status = 'canceled'
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND status = 'pending'`,
    [batchId, firstLine, lastLine],
  );
  return rowCount;
}
