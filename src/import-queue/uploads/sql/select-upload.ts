import type { Sql, Transaction } from '../../../database/transaction.js';
import type { BatchStatus } from '../../batch-state.js';
import type { StoredRecord } from '../../copy-again.js';
import type { UploadFindings } from '../../upload-findings.js';

export interface StoredUpload {
  status: BatchStatus;
  fileName: string;
  upload: UploadFindings | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
}

/** The batch of an upload, locked. */
export async function selectUpload(
  transaction: Transaction,
  batchId: number,
): Promise<StoredUpload | undefined> {
  const { rows } = await transaction.query<StoredUpload>(
    `SELECT status, file_name AS "fileName", upload, send_success_email_to AS "sendSuccessEmailTo",
            send_failure_email_to AS "sendFailureEmailTo"
       FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 FOR UPDATE`,
    [batchId],
  );
  return rows[0];
}

/** The next records of the batch, in line order. */
export async function selectUploadedLines(
  sql: Sql,
  batchId: number,
  afterLine: number,
  limit: number,
): Promise<StoredRecord[]> {
  const { rows } = await sql.query<StoredRecord>(
    `SELECT line_number AS line, payload, origin_line AS "originLine", error_code AS "errorCode",
            error_message AS "errorMessage"
       FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number > $2
      ORDER BY line_number
      LIMIT $3`,
    [batchId, afterLine, limit],
  );
  return rows;
}
