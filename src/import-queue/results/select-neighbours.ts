import type { Sql } from '../../database/transaction.js';

/** The lines of the records before and after one; `null` where it is the first, or the last. Blank lines have none. */
export interface Neighbours {
  before: number | null;
  after: number | null;
}

export async function selectNeighbours(sql: Sql, batchId: number, line: number): Promise<Neighbours> {
  const { rows } = await sql.query<Neighbours>(
    `SELECT (SELECT max(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number < $2) AS before,
            (SELECT min(line_number) FROM import_queue_record
              WHERE workflow_import_queue_batch_id = $1 AND line_number > $2) AS after`,
    [batchId, line],
  );
  return rows[0] ?? { before: null, after: null };
}
