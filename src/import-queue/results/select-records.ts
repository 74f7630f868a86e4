import type { Sql } from '../../database/transaction.js';
import type { Operation } from '../../targets/target.js';
import type { RecordStatus } from '../record-status.js';
import type { LineRange } from './select-line-ranges.js';

/** A record as it is stored. */
export interface RecordRow {
  line: number;
  status: RecordStatus;
  operation: Operation | null;
  reference: string | null;
  attempts: number;
  errorCode: string | null;
  errorMessage: string | null;
  errorPointer: string | null;
  /** Its line in the batch whose results it was downloaded with; `null` for all that was not. */
  originLine: number | null;
  /** The line exactly as it was sent. */
  payload: string;
}

export interface RecordSelection {
  batchId: number;
  /** In line order. */
  ranges: readonly LineRange[];
  statuses: readonly RecordStatus[];
  /** Only lines after this one. */
  after: number;
  limit: number;
}

export interface RecordRows {
  rows: RecordRow[];
  /** Whether the limit (of records or bytes) left some of the ranges' records out. */
  more: boolean;
}

/** Payload bytes of one page. It has one record at least, however long. */
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * Records of some line ranges, in line order. Lines may be a megabyte long, so a page is bounded in bytes as well:
 * octet_length of a stored text reads its header only.
 */
export async function selectRecords(sql: Sql, selection: RecordSelection): Promise<RecordRows> {
  const { batchId, ranges, statuses, after, limit } = selection;
  const { rows } = await sql.query<RecordRow & { found: number }>(
    `SELECT line_number AS line, status, operation, reference, attempts, error_code AS "errorCode",
       error_message AS "errorMessage", error_pointer AS "errorPointer", origin_line AS "originLine", payload, found
     FROM (
       SELECT *, sum(octet_length(payload)) OVER (ORDER BY line_number) - octet_length(payload) AS bytes_before,
         count(*) OVER () AS found
       FROM (
         SELECT record.*
         FROM unnest($2::int[], $3::int[]) AS range (first, last)
         CROSS JOIN LATERAL (
           SELECT * FROM import_queue_record
           WHERE workflow_import_queue_batch_id = $1
             AND line_number BETWEEN greatest(range.first, $4::int + 1) AND range.last AND status = ANY($5)
           ORDER BY line_number LIMIT $6::int + 1
         ) record
         ORDER BY line_number LIMIT $6::int + 1
       ) found
     ) page
     WHERE bytes_before < $7
     ORDER BY line_number LIMIT $6`,
    [
      batchId,
      ranges.map(({ first }) => first),
      ranges.map(({ last }) => last),
      after,
      statuses,
      limit,
      PAGE_BYTES,
    ],
  );
  return { rows, more: rows.length < (rows[0]?.found ?? 0) };
}
