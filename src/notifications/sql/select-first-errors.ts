import type { Sql } from '../../database/transaction.js';

export interface FailedLine {
  line: number;
  code: string | null;
  message: string | null;
}

/**
 * The first records that failed or were invalid, by line. Chunks know how many they have, and as many guilty chunks
 * as errors are wanted always hold enough of them: in a batch of ten million, at most ten chunks are looked into.
 */
export async function selectFirstErrors(sql: Sql, batchId: number, limit: number): Promise<FailedLine[]> {
  const { rows } = await sql.query<FailedLine>(
    `WITH guilty AS MATERIALIZED (
       SELECT first_line, last_line
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND invalid_count + failed_count + unknown_count > 0
        ORDER BY chunk_number
        LIMIT $2
     )
     SELECT r.line, r.code, r.message
       FROM guilty
      CROSS JOIN LATERAL (
        SELECT line_number AS line, error_code AS code, error_message AS message
          FROM import_queue_record
         WHERE workflow_import_queue_batch_id = $1
           AND line_number BETWEEN guilty.first_line AND guilty.last_line
           AND status IN ('invalid', 'failed', 'unknown')
         ORDER BY line_number
         LIMIT $2) r
      ORDER BY r.line
      LIMIT $2`,
    [batchId, limit],
  );
  return rows;
}
