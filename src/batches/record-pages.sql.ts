import type { Sql } from '../platform/database/database.service.js';
import type { RecordStatus } from '../records/record-status.js';
import type { Operation, RecordError } from '../records/target.js';
import { recordsBetween } from './records.sql.js';
import {
  areRefused,
  type Lines,
  type RecordSearch,
  selectLinesWithError,
  selectRefusedLines,
} from './refused-records.sql.js';

/** Consecutive lines that include records of the requested statuses. */
export interface LineRange extends Lines {
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
 * Chunks that are looked at together. PostgreSQL expects few chunks of a batch that was just loaded, and would sort them
 * all to find the next ones.
 */
const SPAN = 250;

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
       SELECT first, last, count, done,
         -- The chunk in which we are may have shown all of its records already: it counts for none.
         sum(CASE WHEN first > $2 THEN count ELSE 0 END) OVER (ORDER BY first
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
       FROM (
         SELECT first, last, count, done
         FROM generate_series(1, (
           SELECT chunk_number FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1
           -- For max(), PostgreSQL would read all chunks if it expects only one.
           ORDER BY chunk_number DESC LIMIT 1
         ), ${SPAN}) WITH ORDINALITY AS span (chunk, place)
         CROSS JOIN LATERAL (
           SELECT chunk_number, first_line AS first, last_line AS last, ${count} AS count, state = 'done' AS done
           FROM import_queue_chunk
           WHERE workflow_import_queue_batch_id = $1 AND chunk_number BETWEEN span.chunk AND span.chunk + ${SPAN - 1}
             AND last_line > $2 AND ${count} > 0
           ORDER BY chunk_number LIMIT $3::int + 1
         ) of_span
         -- Each has at least one of the records, except the chunk in which we are.
         ORDER BY place, chunk_number LIMIT $3::int + 1
       ) next
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
  ranges: readonly Lines[];
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

export interface FoundRecords {
  rows: RecordRow[];
  /** The line after which the search goes on; `null` if there are no more such records. */
  next: number | null;
}

/**
 * The next records of these statuses after a line, in line order; fewer than the limit, even none, if they are long or
 * change meanwhile.
 */
export async function findRecords(sql: Sql, batchId: number, search: RecordSearch): Promise<FoundRecords> {
  const { statuses, errorCode, after, limit } = search;
  // One more shows whether there are more.
  const most = limit + 1;
  if (errorCode !== undefined) {
    const lines = await selectLinesWithError(sql, batchId, { errorCode, statuses, after, limit: most });
    return selectFound(sql, batchId, search, lines);
  }
  const ranges = await selectLineRanges(sql, batchId, statuses, after, most);
  if (areRefused(statuses)) {
    const lines = await selectRefusedLines(sql, batchId, ranges, { statuses, after, limit: most });
    return selectFound(sql, batchId, search, lines);
  }
  const { rows, more } = await selectRecords(sql, { batchId, ranges, statuses, after, limit });
  return { rows, next: more ? (rows.at(-1)?.line ?? null) : null };
}

/** @param lines of the records, one more than the limit if there are more */
async function selectFound(
  sql: Sql,
  batchId: number,
  search: RecordSearch,
  lines: readonly number[],
): Promise<FoundRecords> {
  const ranges = rangesOf(lines.slice(0, search.limit));
  const { rows, more } = await selectRecords(sql, { batchId, ranges, ...search });
  if (more) return { rows, next: rows.at(-1)?.line ?? null };
  return { rows, next: lines.length > search.limit ? (lines[search.limit - 1] ?? null) : null };
}

/** These lines, which are in order. */
export function rangesOf(lines: readonly number[]): Lines[] {
  const ranges: Lines[] = [];
  for (const line of lines) {
    const previous = ranges.at(-1);
    if (previous?.last === line - 1) previous.last = line;
    else ranges.push({ first: line, last: line });
  }
  return ranges;
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
  let from: number | null = after;
  while (from !== null) {
    const { rows, next }: FoundRecords = await findRecords(sql, batchId, { statuses, after: from, limit });
    if (rows.length > 0) return rows;
    from = next;
  }
  return [];
}

/** The records of these lines that have one of the statuses, in line order. */
export async function selectRecordsAt(
  sql: Sql,
  batchId: number,
  lines: readonly number[],
  statuses: readonly RecordStatus[],
): Promise<RecordRow[]> {
  const ranges = [...lines].sort((a, b) => a - b).map((line) => ({ first: line, last: line }));
  const found: RecordRow[] = [];
  for (let more = ranges.length > 0; more;) {
    const after = found.at(-1)?.line ?? 0;
    const page = await selectRecords(sql, { batchId, ranges, statuses, after, limit: ranges.length });
    found.push(...page.rows);
    more = page.more;
  }
  return found;
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
