import type { Sql } from '../platform/database/database.service.js';
import type { RecordStatus } from '../records/record-status.js';
import type { Operation, RecordError } from '../records/target.js';
import { HAS_REFUSED, recordsBetween, REFUSED_OF_CHUNK } from './records.sql.js';

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
         sum(CASE WHEN first_line > $2 THEN ${count} ELSE 0 END) OVER (ORDER BY first_line
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
  /** All errors of a record that has several; `null` if it has one or none. */
  errors: RecordError[] | null;
  /** The row that a spreadsheet shows; `null` if that is the line. */
  row: number | null;
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
  /** Only records with an error of this code. */
  errorCode?: string;
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
  const { batchId, ranges, statuses, errorCode, after, limit } = selection;
  const { rows } = await sql.query<RecordRow & { found: number }>(
    `SELECT line_number AS line, status, operation, reference, attempts, error_code AS "errorCode",
       error_message AS "errorMessage", error_pointer AS "errorPointer", errors, row_number AS "row",
       origin_line AS "originLine", payload, found
     FROM (
       SELECT *, sum(octet_length(payload)) OVER (ORDER BY line_number) - octet_length(payload) AS bytes_before,
         count(*) OVER () AS found
       FROM (
         SELECT record.*
         FROM unnest($2::int[], $3::int[]) AS range (first, last)
         CROSS JOIN LATERAL (
           SELECT * FROM ${recordsBetween('$1', 'greatest(range.first, $4::int + 1)', 'range.last')} record
           WHERE status = ANY($5)
             AND ($8::text IS NULL OR error_code = $8
               OR errors @> jsonb_build_array(jsonb_build_object('code', $8::text)))
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
      errorCode,
    ],
  );
  return { rows, more: rows.length < (rows[0]?.found ?? 0) };
}

/**
 * The next records of these statuses after a line, in line order, at most `limit`; fewer if they are long, and none
 * only after the last one.
 */
export async function selectNextRecords(
  sql: Sql,
  batchId: number,
  statuses: readonly RecordStatus[],
  after: number,
  limit: number,
): Promise<RecordRow[]> {
  const ranges = await selectLineRanges(sql, batchId, statuses, after, limit);
  const { rows } = await selectRecords(sql, { batchId, ranges, statuses, after, limit });
  return rows;
}

/** The records of these lines that have one of the statuses, in line order. */
export async function selectRecordsAt(
  sql: Sql,
  batchId: number,
  lines: readonly number[],
  statuses: readonly RecordStatus[],
): Promise<RecordRow[]> {
  const ranges = [...lines]
    .sort((a, b) => a - b)
    .map((line) => ({ first: line, last: line, count: 1, done: true }));
  const found: RecordRow[] = [];
  for (let more = ranges.length > 0; more;) {
    const after = found.at(-1)?.line ?? 0;
    const page = await selectRecords(sql, { batchId, ranges, statuses, after, limit: ranges.length });
    found.push(...page.rows);
    more = page.more;
  }
  return found;
}

/**
 * The next chunks of a batch with a record that has an error of this code, in line order.
 * @param after only lines after this one
 * @param limit the most chunks
 */
export async function selectRangesWithError(
  sql: Sql,
  batchId: number,
  errorCode: string,
  after: number,
  limit: number,
): Promise<LineRange[]> {
  const { rows } = await sql.query<LineRange>(
    `SELECT c.first_line AS first, c.last_line AS last, c.record_count AS count, c.state = 'done' AS done
       FROM (SELECT * FROM import_queue_chunk
              WHERE workflow_import_queue_batch_id = $1 AND last_line > $2 ORDER BY first_line) c
      WHERE ${HAS_REFUSED}
        AND EXISTS (SELECT FROM ${REFUSED_OF_CHUNK} r
                     WHERE r.line_number > $2
                       AND (r.error_code = $3 OR r.errors @> jsonb_build_array(jsonb_build_object('code', $3::text))))
         OR c.skipped_count > 0
        AND EXISTS (SELECT FROM import_queue_outcome o
                     WHERE o.workflow_import_queue_batch_id = $1 AND o.line_number BETWEEN c.first_line AND c.last_line
                       AND o.line_number > $2 AND o.outcome = 'k' AND o.error_code = $3)
      ORDER BY c.first_line
      LIMIT $4`,
    [batchId, after, errorCode, limit],
  );
  return rows;
}

/**
 * The lines of the refused records in these ranges, of chunks that are done, in line order. `null` if they cannot be told
 * by their errors alone. An index leads to the failed ones, however few they are; invalid ones are looked for in the
 * lines only if there are more than the failed ones.
 */
export async function selectRefusedLines(
  sql: Sql,
  batchId: number,
  ranges: readonly LineRange[],
): Promise<number[] | null> {
  const wanted = ranges.reduce((sum, { count }) => sum + count, 0);
  const values = [batchId, ranges.map(({ first }) => first), ranges.map(({ last }) => last)];
  const failed = await sql.query<{ line: number }>(
    `SELECT r.line_number AS line
       FROM unnest($2::int[], $3::int[]) AS range (first, last)
       JOIN import_queue_outcome r ON r.line_number BETWEEN range.first AND range.last
      WHERE r.workflow_import_queue_batch_id = $1 AND r.error_code IS NOT NULL AND r.outcome <> 'k'`,
    values,
  );
  const lines = failed.rows.map(({ line }) => line);
  if (lines.length < wanted) {
    const invalid = await sql.query<{ line: number }>(
      `SELECT r.line_number AS line
         FROM unnest($2::int[], $3::int[]) AS range (first, last)
         JOIN import_queue_line r ON r.line_number BETWEEN range.first AND range.last
        WHERE r.workflow_import_queue_batch_id = $1 AND r.error_code IS NOT NULL AND r.status = 'invalid'`,
      values,
    );
    lines.push(...invalid.rows.map(({ line }) => line));
  }
  return lines.length === wanted ? lines.sort((a, b) => a - b) : null;
}

/** A cause for which records were refused. A record with several errors counts in the group of each. */
export interface ErrorCause {
  code: string;
  pointer: string | null;
  /** The message of the first such record. */
  message: string;
  count: number;
  /** The first lines, at most `SAMPLE_LINES`. */
  sampleLines: number[];
}

const SAMPLE_LINES = 5;
const MOST_CAUSES = 200;

/**
 * All causes for which records of the batch were refused, most frequent first. Each chunk is summed up by itself, so
 * that a million refused records are never in memory together.
 */
export async function selectErrorCauses(sql: Sql, batchId: number): Promise<ErrorCause[]> {
  const { rows } = await sql.query<Omit<ErrorCause, 'sampleLines'> & { samples: string[] }>(
    `SELECT code, pointer, (array_agg(message ORDER BY first_line))[1] AS message, sum(count)::int AS count,
       (array_agg(lines ORDER BY first_line))[1:${SAMPLE_LINES}] AS samples
     FROM (
       SELECT g.*
       FROM import_queue_chunk c
       CROSS JOIN LATERAL (
         SELECT code, pointer, min(line) AS first_line, (array_agg(message ORDER BY line))[1] AS message, count(*) AS count,
           array_to_string((array_agg(line ORDER BY line))[1:${SAMPLE_LINES}], ',') AS lines
         FROM (
           SELECT r.line_number AS line, e.code, e.pointer, left(e.message, 500) AS message
           FROM ${REFUSED_OF_CHUNK} r
           CROSS JOIN LATERAL (
             SELECT r.error_code AS code, r.error_pointer AS pointer, r.error_message AS message WHERE r.errors IS NULL
             UNION ALL
             SELECT item ->> 'code', item ->> 'pointer', item ->> 'message' FROM jsonb_array_elements(r.errors) item
           ) e
         ) error
         GROUP BY code, pointer
       ) g
       WHERE c.workflow_import_queue_batch_id = $1 AND ${HAS_REFUSED}
     ) of_chunk
     GROUP BY code, pointer
     ORDER BY count DESC, min(first_line)
     LIMIT ${MOST_CAUSES}`,
    [batchId],
  );
  return rows.map(({ samples, ...cause }) => ({
    ...cause,
    sampleLines: samples.flatMap((lines) => lines.split(',').map(Number)).slice(0, SAMPLE_LINES),
  }));
}

/** A record that a check refused, as a preview shows it. */
export type InvalidRecord = Pick<RecordRow, 'line' | 'row' | 'errorCode' | 'errorMessage' | 'errorPointer'>;

/** The records of some lines that a check refused. */
export async function selectInvalidRecords(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<InvalidRecord[]> {
  const { rows } = await sql.query<InvalidRecord>(
    `SELECT line_number AS line, row_number AS "row", error_code AS "errorCode", error_message AS "errorMessage",
            error_pointer AS "errorPointer"
       FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND status = 'invalid'
      ORDER BY line_number`,
    [batchId, firstLine, lastLine],
  );
  return rows;
}

/** The rows that a spreadsheet shows, for the lines of a range where they differ. */
export async function selectShownRows(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<Map<number, number>> {
  const { rows } = await sql.query<{ line: number; row: number }>(
    `SELECT line_number AS line, row_number AS "row" FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND row_number IS NOT NULL`,
    [batchId, firstLine, lastLine],
  );
  return new Map(rows.map(({ line, row }) => [line, row]));
}

/** Many records are looked up at a time, and a line may have a megabyte. */
const LONGEST_LOOKED_UP = 64 * 1024;

/**
 * What was sent in these lines of a batch of the import process; nothing if the batch has expired or is of another.
 * Longer records are left out.
 */
export async function selectSentRecords(
  sql: Sql,
  importProcessId: number,
  batchId: number,
  lines: readonly number[],
): Promise<Map<number, string>> {
  const { rows } = await sql.query<{ line: number; payload: string }>(
    `SELECT record.line_number AS line, record.payload
       FROM import_queue_batch AS batch
       JOIN import_queue_record AS record USING (workflow_import_queue_batch_id)
      WHERE batch.workflow_import_queue_batch_id = $1 AND batch.import_process_id = $2 AND batch.expired_at IS NULL
        AND record.line_number = ANY ($3::int[]) AND octet_length(record.payload) <= $4`,
    [batchId, importProcessId, lines, LONGEST_LOOKED_UP],
  );
  return new Map(rows.map(({ line, payload }) => [line, payload]));
}

/** The rows that a spreadsheet shows, for those of these lines where they differ. */
export async function selectRowNumbers(
  sql: Sql,
  batchId: number,
  lines: readonly number[],
): Promise<Map<number, number>> {
  const { rows } = await sql.query<{ line: number; row: number }>(
    `SELECT line_number AS line, row_number AS "row" FROM import_queue_record
      WHERE workflow_import_queue_batch_id = $1 AND line_number = ANY ($2::int[]) AND row_number IS NOT NULL`,
    [batchId, lines],
  );
  return new Map(rows.map(({ line, row }) => [line, row]));
}
