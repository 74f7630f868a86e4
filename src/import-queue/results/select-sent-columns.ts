import type { Sql } from '../../database/transaction.js';
import type { Understood } from '../intake/upload-reader.js';

/**
 * The columns of the file that the records come from, in its order; none where there was no such file. Rows that were
 * sent again, retried or mended in a page, have no file of their own: theirs is that of the batch they were in first.
 */
export async function selectSentColumns(sql: Sql, batchId: number): Promise<string[]> {
  const { rows } = await sql.query<{ columns: Understood['columns'] }>(
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
