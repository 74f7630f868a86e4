import type { Sql } from '../../database/transaction.js';
import { statusesOf } from './result-set.js';
import { selectLineRanges } from './select-line-ranges.js';

/** Refused records with the same cause. */
export interface ErrorGroup {
  code: string;
  /** The message, with what differs from record to record (quoted values, numbers) left out. */
  pattern: string;
  count: number;
  sampleLine: number;
  sampleMessage: string;
}

export interface ErrorGroups {
  groups: ErrorGroup[];
  /** Records the groups were made from: the first refused ones, at most about `EXAMINED`. */
  examined: number;
}

const EXAMINED = 5000;
const GROUPS = 20;

/** What differs from record to record, in the syntax that PostgreSQL and JavaScript share. */
const VARIABLE = '"[^"]*"|[0-9]+';

/** The pattern a record's message falls under. */
export function errorPattern(message: string): string {
  return [...message].slice(0, 500).join('').replace(new RegExp(VARIABLE, 'g'), '…');
}

/** Why records of the batch were refused, most frequent cause first. Looks at the first few thousand only. */
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
