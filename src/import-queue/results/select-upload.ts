import type { Sql } from '../../database/transaction.js';
import type { UploadFindings } from '../upload-findings.js';

/** What was understood of an uploaded file. Apart from the batch: of a wide file it is large, and lists need none of it. */
export async function selectUpload(sql: Sql, batchId: number): Promise<UploadFindings | null> {
  const { rows } = await sql.query<{ upload: UploadFindings | null }>(
    'SELECT upload FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
    [batchId],
  );
  return rows[0]?.upload ?? null;
}
