import type { Sql } from '../platform/database/database.service.js';
import { type RecordStatus, statusesOf } from '../records/record-status.js';
import type { Operation } from '../records/target.js';

/** Consecutive lines that include records of the requested statuses. */
export interface LineRange {
  first: number;
  last: number;
  /** The number of records with these statuses in the range. */
  count: number;
  /** Whether the chunk was done when this was read. The outcomes of a done chunk are final. */
  done: boolean;
}

/** The expression for a chunk's number of records in each status. */
const COUNTS: Readonly<Record<RecordStatus, string>> = {
  pending: `record_count - invalid_count - succeeded_count - failed_count - skipped_count - canceled_count
    - unknown_count`,
  invalid: 'invalid_count',
  processing: '0',
  succeeded: 'succeeded_count',
  failed: 'failed_count',
  skipped: 'skipped_count',
  canceled: 'canceled_count',
  unknown: 'unknown_count',
};

/**
 * The chunks of a batch that have records of these statuses, in line order. The chunk counts find a few failed records
 * among a million without an index on the status, which every update would have to maintain.
 * @param after only lines after this one
 * @param enough stop after this many records
 */
export async function selectLineRanges(
  sql: Sql,
  batchId: number,
  statuses: readonly RecordStatus[],
  after = 0,
  enough?: number,
): Promise<LineRange[]> {
  const count = statuses.map((status) => COUNTS[status]).join(' + ');
  const { rows } = await sql.query<LineRange>(
    `SELECT first, last, count, done
     FROM (
       SELECT first_line AS first, last_line AS last, ${count} AS count, state = 'done' AS done,
         -- The chunk in which we are may have shown all of its records already: it counts for none.
         sum(CASE WHEN first_line > $2 THEN ${count} ELSE 0 END) OVER (ORDER BY chunk_number
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
       FROM import_queue_chunk
       WHERE workflow_import_queue_batch_id = $1 AND last_line > $2 AND ${count} > 0
     ) chunk
     WHERE $3::int IS NULL OR before IS NULL OR before < $3
     ORDER BY first`,
    [batchId, after, enough ?? null],
  );
  return rows;
}

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
  /** Its line in the batch whose results were downloaded and sent again; `null` for other records. */
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
  /** Whether the limit (of records or bytes) cut off some records of the ranges. */
  more: boolean;
}

/** Payload bytes of one page. A page has at least one record, regardless of its length. */
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * Records of some line ranges, in line order. Lines may be a megabyte long, so bytes limit a page as well. octet_length
 * reads only the header of a stored text.
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

/** Refused records with the same cause. */
interface ErrorGroup {
  code: string;
  /** The message without the parts that differ between records (quoted values, numbers). */
  pattern: string;
  count: number;
  sampleLine: number;
  sampleMessage: string;
}

export interface ErrorGroups {
  groups: ErrorGroup[];
  /** Records that the groups come from: the first refused ones, at most about `EXAMINED`. */
  examined: number;
}

const EXAMINED = 5000;
const GROUPS = 20;

/** The parts of a message that differ between records, in regex syntax that PostgreSQL and JavaScript share. */
const VARIABLE = '"[^"]*"|[0-9]+';

/** The pattern that a record's message belongs to. */
export function errorPattern(message: string): string {
  return [...message].slice(0, 500).join('').replace(new RegExp(VARIABLE, 'g'), '…');
}

/** Why records of the batch were refused, most frequent cause first. Examines only the first few thousand. */
export async function selectErrorGroups(sql: Sql, batchId: number): Promise<ErrorGroups> {
  const statuses = statusesOf('failed');
  const ranges = await selectLineRanges(sql, batchId, statuses, 0, EXAMINED);
  const { rows } = await sql.query<ErrorGroup & { examined: number }>(
    `WITH refused AS (
       SELECT record.*
       FROM unnest($2::int[], $3::int[]) AS range (first, last)
       CROSS JOIN LATERAL (
         SELECT line_number, error_code AS code, left(error_message, 500) AS message
         FROM import_queue_record
         WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN range.first AND range.last
           AND status = ANY ($4) AND error_code IS NOT NULL
         LIMIT $5
       ) record
       LIMIT $5
     )
     SELECT code, pattern, count(*) AS count, min(line_number) AS "sampleLine",
       (array_agg(message ORDER BY line_number))[1] AS "sampleMessage", (SELECT count(*) FROM refused) AS examined
     FROM (
       SELECT *, regexp_replace(message, '${VARIABLE}', '…', 'g') AS pattern FROM refused
     ) described
     GROUP BY code, pattern
     ORDER BY count(*) DESC, min(line_number)
     LIMIT ${GROUPS}`,
    [batchId, ranges.map(({ first }) => first), ranges.map(({ last }) => last), statuses, EXAMINED],
  );
  return {
    groups: rows.map(({ code, pattern, count, sampleLine, sampleMessage }) => ({
      code,
      pattern,
      count,
      sampleLine,
      sampleMessage,
    })),
    examined: rows[0]?.examined ?? 0,
  };
}
