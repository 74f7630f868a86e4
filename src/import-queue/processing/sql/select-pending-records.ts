import type { Sql } from '../../../database/transaction.js';
import type { ImportRecord } from '../../../targets/target.js';

/** The records of these lines that have no outcome yet, in line order. */
export async function selectPendingRecords(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<ImportRecord[]> {
  const { rows } = await sql.query<ImportRecord>(
    `SELECT line_number AS line, payload
       FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND status = 'pending'
      ORDER BY line_number`,
    [batchId, firstLine, lastLine],
  );
  return rows;
}
