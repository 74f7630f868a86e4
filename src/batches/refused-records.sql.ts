import type { Sql } from '../platform/database/database.service.js';
import type { RecordStatus } from '../records/record-status.js';

/*
 * Records that a check, the target or an undo refused, by their errors. An invalid record has its error in its line, like
 * a failed one of versions before 0.2.0-rc.1; the others have theirs in their outcome. Both tables have an index of the
 * rows with an error, so the other records of a batch are never read, however few are refused.
 */

/** Consecutive lines. */
export interface Lines {
  first: number;
  last: number;
}

export interface RecordSearch {
  statuses: readonly RecordStatus[];
  /** Only records with an error of this code. */
  errorCode?: string;
  /** Only lines after this one. */
  after: number;
  limit: number;
}

/** The statuses whose records always have an error. */
const REFUSED: readonly RecordStatus[] = ['invalid', 'failed', 'unknown'];

/** Whether the records of these statuses can be found by their errors. */
export function areRefused(statuses: readonly RecordStatus[]): boolean {
  return statuses.every((status) => REFUSED.includes(status));
}

/**
 * Lines that are searched together. PostgreSQL has no statistics about a batch that was just loaded, and could plan to
 * sort all of its errors to answer with the first few; this bounds what any plan reads.
 */
const SEARCHED = 10_000;
/** Lines that are summed up together: a million refused records are never in memory together. */
const SUMMED = 50_000;

/**
 * The spans of the batch `$1`, from a line on, as an item of FROM.
 * @param first an SQL expression
 */
function spansFrom(first: string, lines: number): string {
  return `(
    SELECT first, first + ${lines - 1} AS last, place
      FROM generate_series(${first}::bigint, (
        SELECT last_line FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1
         ORDER BY chunk_number DESC LIMIT 1), ${lines}) WITH ORDINALITY AS series (first, place)) AS span`;
}

/**
 * The records with an error in the lines of a `span` of the batch `$1`, as a subquery: a parameter selects the partition
 * when the statement is planned. Those that an undo kept, which state a reason, are `skipped`.
 */
const WITH_ERROR = `(
    SELECT line_number AS line, CASE outcome WHEN 'f' THEN 'failed' WHEN 'q' THEN 'unknown' ELSE 'skipped' END AS status,
           error_code, error_message, error_pointer, errors
      FROM import_queue_outcome
     WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN span.first AND span.last AND error_code IS NOT NULL
     UNION ALL
    SELECT line_number, status, error_code, error_message, error_pointer, errors
      FROM import_queue_line
     WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN span.first AND span.last
       AND error_code IS NOT NULL)`;

const REFUSED_OF_SPAN = `(SELECT * FROM ${WITH_ERROR} error WHERE status <> 'skipped')`;

/**
 * The lines of the records of these statuses in some ranges, in line order. Failed records may be few among many invalid
 * ones, so the counts of the chunks should have led to the ranges.
 */
export async function selectRefusedLines(
  sql: Sql,
  batchId: number,
  ranges: readonly Lines[],
  { statuses, after, limit }: Omit<RecordSearch, 'errorCode'>,
): Promise<number[]> {
  const { rows } = await sql.query<{ line: number }>(
    `SELECT line
       FROM unnest($2::int[], $3::int[]) WITH ORDINALITY AS span (first, last, place)
      CROSS JOIN LATERAL (
        SELECT line FROM ${WITH_ERROR} error WHERE line > $4 AND status = ANY ($5) ORDER BY line LIMIT $6
      ) found
      ORDER BY place, line LIMIT $6`,
    [batchId, ranges.map(({ first }) => first), ranges.map(({ last }) => last), after, statuses, limit],
  );
  return rows.map(({ line }) => line);
}

/** The next lines of records of these statuses that have an error of this code, in line order. */
export async function selectLinesWithError(
  sql: Sql,
  batchId: number,
  { errorCode, statuses, after, limit }: RecordSearch & { errorCode: string },
): Promise<number[]> {
  const { rows } = await sql.query<{ line: number }>(
    `SELECT line
       FROM ${spansFrom('$2 + 1', SEARCHED)}
      CROSS JOIN LATERAL (
        SELECT line FROM ${WITH_ERROR} error
         WHERE status = ANY ($3)
           AND (error_code = $4 OR errors @> jsonb_build_array(jsonb_build_object('code', $4::text)))
         ORDER BY line LIMIT $5
      ) found
      ORDER BY place, line LIMIT $5`,
    [batchId, after, statuses, errorCode, limit],
  );
  return rows.map(({ line }) => line);
}

/** A record that a check refused, as a preview shows it. */
export interface InvalidRecord {
  line: number;
  row: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  errorPointer: string | null;
}

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
       FROM import_queue_line
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND error_code IS NOT NULL
        AND status = 'invalid'
      ORDER BY line_number`,
    [batchId, firstLine, lastLine],
  );
  return rows;
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

/** All causes for which records of the batch were refused, most frequent first. */
export async function selectErrorCauses(sql: Sql, batchId: number): Promise<ErrorCause[]> {
  const { rows } = await sql.query<Omit<ErrorCause, 'sampleLines'> & { samples: string[] }>(
    `SELECT code, pointer, (array_agg(message ORDER BY place))[1] AS message, sum(count)::int AS count,
       (array_agg(lines ORDER BY place))[1:${SAMPLE_LINES}] AS samples
     FROM ${spansFrom('1', SUMMED)}
     CROSS JOIN LATERAL (
       SELECT code, pointer, min(line) AS first_line, (array_agg(message ORDER BY line))[1] AS message, count(*) AS count,
         array_to_string((array_agg(line ORDER BY line))[1:${SAMPLE_LINES}], ',') AS lines
       FROM (
         SELECT r.line, e.code, e.pointer, left(e.message, 500) AS message
         FROM ${REFUSED_OF_SPAN} r
         CROSS JOIN LATERAL (
           SELECT r.error_code AS code, r.error_pointer AS pointer, r.error_message AS message WHERE r.errors IS NULL
           UNION ALL
           SELECT item ->> 'code', item ->> 'pointer', item ->> 'message' FROM jsonb_array_elements(r.errors) item
         ) e
       ) error
       GROUP BY code, pointer
     ) of_span
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
  /** Records that the groups come from: the first refused ones, at most `EXAMINED`. */
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
  const { rows } = await sql.query<ErrorGroup & { examined: number }>(
    `WITH refused AS (
       SELECT r.line, r.error_code AS code, left(r.error_message, 500) AS message
       FROM ${spansFrom('1', SEARCHED)}
       CROSS JOIN LATERAL (SELECT * FROM ${REFUSED_OF_SPAN} r ORDER BY line LIMIT $2) r
       ORDER BY place, line LIMIT $2
     )
     SELECT code, pattern, count(*) AS count, min(line) AS "sampleLine",
       (array_agg(message ORDER BY line))[1] AS "sampleMessage", (SELECT count(*) FROM refused) AS examined
     FROM (
       SELECT *, regexp_replace(message, '${VARIABLE}', '…', 'g') AS pattern FROM refused
     ) described
     GROUP BY code, pattern
     ORDER BY count(*) DESC, min(line)
     LIMIT ${GROUPS}`,
    [batchId, EXAMINED],
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
