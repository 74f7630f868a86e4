import type { Sql, Transaction } from '../../database/transaction.js';

/** The next expired batch that still has records; those that expired just now are left to downloads under way. */
export async function nextBatchToEmpty(sql: Sql, graceMs: number): Promise<number | null> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id
       FROM import_queue_batch
      WHERE expired_at <= now() - $1 * interval '1 millisecond' AND emptied_at IS NULL
      ORDER BY workflow_import_queue_batch_id
      LIMIT 1`,
    [graceMs],
  );
  return rows[0]?.id ?? null;
}

/**
 * Deletes the next chunks of the batch with their records, about so many at a time, and in the last step its mails.
 * Answers how many records went; a small transaction, so that it holds up neither writers nor vacuum.
 */
export async function deleteStep(
  transaction: Transaction,
  batchId: number,
  records: number,
): Promise<{ deleted: number; emptied: boolean }> {
  const { rowCount: deleted } = await transaction.query(
    `WITH chunk AS MATERIALIZED (
       SELECT chunk_number, first_line, last_line
         FROM (SELECT chunk_number, first_line, last_line,
                      sum(record_count) OVER (ORDER BY chunk_number) - record_count AS before
                 FROM (SELECT * FROM import_queue_chunk
                        WHERE workflow_import_queue_batch_id = $1 ORDER BY chunk_number LIMIT 100) head) counted
        WHERE before < $2
     ), gone AS (
       DELETE FROM import_queue_chunk c USING chunk
        WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = chunk.chunk_number
     )
     DELETE FROM import_queue_record r
      WHERE r.workflow_import_queue_batch_id = $1
        AND r.line_number BETWEEN (SELECT min(first_line) FROM chunk) AND (SELECT max(last_line) FROM chunk)`,
    [batchId, records],
  );
  const { rowCount: emptied } = await transaction.query(
    `UPDATE import_queue_batch b SET emptied_at = now()
      WHERE b.workflow_import_queue_batch_id = $1 AND b.emptied_at IS NULL
        AND NOT EXISTS (SELECT FROM import_queue_chunk c WHERE c.workflow_import_queue_batch_id = $1)`,
    [batchId],
  );
  if (emptied > 0) {
    await transaction.query(
      `DELETE FROM notification
        WHERE workflow_import_queue_batch_id = $1 AND status NOT IN ('pending', 'sending')`,
      [batchId],
    );
  }
  return { deleted, emptied: emptied > 0 };
}
