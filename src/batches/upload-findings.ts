import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { Sql, Transaction } from '../platform/database/transaction.js';
import type { ErrorTallyGroup } from '../records/error-tally.js';
import type { BatchStatus } from './batch-state.js';
import type { StoredRecord } from './stored-records-copier.js';

/** Columns of a file beside those of a row. */
export interface ColumnFindings {
  /** Columns that no row has; `nearest` is the one that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Columns that a row must have and the file has not. */
  missing: string[];
}

/** What was understood of an uploaded file, stored with its batch. */
export interface UploadFindings {
  understood: UnderstoodFile;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** What somebody said that headers stand for: kept for later files once this one is confirmed. */
  mapping: [header: string, target: string | null][];
}

/** What was understood of an uploaded file. Apart from the batch: of a wide file it is large, and lists need none of it. */
export async function selectUploadFindings(sql: Sql, batchId: number): Promise<UploadFindings | null> {
  const { rows } = await sql.query<{ upload: UploadFindings | null }>(
    'SELECT upload FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
    [batchId],
  );
  return rows[0]?.upload ?? null;
}

export interface StoredUpload {
  status: BatchStatus;
  fileName: string;
  upload: UploadFindings | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
}

/** The batch of an upload, locked. */
export async function lockUpload(
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

/**
 * The columns of the file that the records come from, in its order; none where there was no such file. Rows that were
 * sent again, retried or mended in a page, have no file of their own: theirs is that of the batch they were in first.
 */
export async function selectSentColumns(sql: Sql, batchId: number): Promise<string[]> {
  const { rows } = await sql.query<{ columns: UnderstoodFile['columns'] }>(
    `WITH RECURSIVE origin AS (
       SELECT retry_of, upload FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1
       UNION ALL
       SELECT parent.retry_of, parent.upload
         FROM origin JOIN import_queue_batch parent ON parent.workflow_import_queue_batch_id = origin.retry_of
        WHERE origin.upload IS NULL
     )
     SELECT upload -> 'understood' -> 'columns' AS columns FROM origin WHERE upload IS NOT NULL`,
    [batchId],
  );
  return rows[0]?.columns?.flatMap(({ target }) => target ?? []) ?? [];
}
