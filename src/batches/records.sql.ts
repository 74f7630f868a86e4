import { copyField, rowsToCopy, visiblyEscaped } from '../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import { isUniqueViolation } from '../platform/database/postgres-errors.js';
import {
  type DeliveredOutcome,
  type DeliveryState,
  type ImportRecord,
  MOST_ERRORS,
  type RecordError,
  type RecordOutcome,
  type RowVerdict,
  type UndoOutcome,
} from '../records/target.js';
import { countingDelivered } from './statistics.sql.js';

/**
 * Counts of record outcomes; `created + updated + unchanged = succeeded`. In an undo, the others that succeeded are
 * reverted, and the skipped ones are kept.
 */
export interface OutcomeCounts {
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  unknown: number;
  created: number;
  updated: number;
  unchanged: number;
}

export const NO_OUTCOMES: Readonly<OutcomeCounts> = Object.freeze({
  succeeded: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  unknown: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
});

/** What a target reports about a record. */
export type TargetOutcome = RecordOutcome | UndoOutcome;

export function countOutcomes(outcomes: readonly (TargetOutcome | DeliveredOutcome)[]): OutcomeCounts {
  const counts = { ...NO_OUTCOMES };
  for (const outcome of outcomes) {
    counts[outcome.status] += 1;
    const { operation } = outcome;
    if (operation === 'created' || operation === 'updated') counts[operation] += 1;
    if (outcome.status === 'succeeded' && operation === 'unchanged') counts.unchanged += 1;
  }
  return counts;
}

/** Checks that a target fulfilled its contract. @throws unless each record has exactly one outcome */
export function assertOneOutcomeEach(
  records: readonly ImportRecord[],
  outcomes: readonly TargetOutcome[],
): void {
  const open = new Set(records.map(({ line }) => line));
  for (const { line } of outcomes) {
    if (!open.delete(line)) throw new Error(`the target answered line ${line} twice, or was never given it`);
  }
  const [unanswered] = open;
  if (unanswered !== undefined) throw new Error(`the target did not say what became of line ${unanswered}`);
}

/*
 * A record is a row of import_queue_line, inserted when the batch is stored, and a row of import_queue_outcome, inserted
 * when its chunk is processed. Neither is ever updated (ADR 28). The view import_queue_record joins them. The states:
 *
 *   line inserted ──┬──► pending ──► outcome inserted: succeeded, failed, skipped (from the target), canceled (never tried)
 *                   │                in an undo: succeeded (reverted), skipped (kept), failed, canceled
 *                   │                from the `http` target also unknown: it was sent, and no one knows whether it arrived
 *                   └──► invalid (a check refused it; never tried)
 *
 * An outcome is final: its primary key admits one per record. Only a person changes one, from unknown to succeeded or
 * failed (`resolveRecords`). Records of versions before 0.2.0-rc.1 have their outcome in
 * their line. The API contract includes `processing`, but no statement writes it.
 *
 * import_queue_delivery has a row for a record without an outcome that a target has been sent, or may have been.
 */

/**
 * The table of records, with columns in the order of `RecordCollector`'s fields. Rows are copied in the binary format:
 * reading them takes PostgreSQL two thirds of the time of reading text.
 */
export const RECORD_COPY = `import_queue_line (workflow_import_queue_batch_id, line_number, status, error_code,
  error_message, error_pointer, errors, origin_line, row_number, reference, payload)`;
/** The same for records that have no other values. */
export const PLAIN_RECORD_COPY = 'import_queue_line (workflow_import_queue_batch_id, line_number, payload)';

/**
 * The lines of a range that have no outcome; the range bounds both tables, as in `recordsBetween`. NOT IN reads the
 * outcomes of the range once. For NOT EXISTS, PostgreSQL would look them up for each line, because it expects few lines
 * of a batch that was just loaded.
 */
function pendingBetween(first: string, last: string): string {
  return `import_queue_line l
      WHERE l.workflow_import_queue_batch_id = $1 AND l.line_number BETWEEN ${first} AND ${last} AND l.status = 'pending'
        AND l.line_number NOT IN (
              SELECT o.line_number FROM import_queue_outcome o
               WHERE o.workflow_import_queue_batch_id = $1 AND o.line_number BETWEEN ${first} AND ${last})`;
}

/** Sorted here, where they almost always are in order already: PostgreSQL would copy the payloads to sort them. */
function inLineOrder<Line extends { line: number }>(records: Line[]): Line[] {
  return records.sort((a, b) => a.line - b.line);
}

/**
 * The records of a range of lines as a subquery, with the columns of the view `import_queue_record`. The range stands
 * at both tables. PostgreSQL does not infer it for the second one, and has no statistics about a batch that was just
 * loaded: it would sometimes read all outcomes of the batch for a page of it.
 * @param batchId SQL expressions, like the others
 */
export function recordsBetween(batchId: string, first: string, last: string): string {
  return `(
    SELECT l.workflow_import_queue_batch_id, l.line_number,
           CASE WHEN o.outcome IN ('c', 'u', 'n', 's', 'f', 'q', 'r', 'k', 'd') THEN coalesce(o.attempts, 1::smallint)
             ELSE l.attempts END AS attempts,
           CASE o.outcome WHEN 'c' THEN 'succeeded' WHEN 'u' THEN 'succeeded' WHEN 'n' THEN 'succeeded'
             WHEN 'd' THEN 'succeeded' WHEN 's' THEN 'skipped' WHEN 'f' THEN 'failed' WHEN 'x' THEN 'canceled' WHEN 'q' THEN 'unknown'
             WHEN 'r' THEN 'succeeded' WHEN 'k' THEN 'skipped' ELSE l.status END AS status,
           CASE o.outcome WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'n' THEN 'unchanged'
             WHEN 'f' THEN 'rejected' WHEN 'r' THEN 'reverted' WHEN 'k' THEN 'kept' ELSE l.operation END AS operation,
           coalesce(o.reference, l.reference) AS reference, coalesce(o.error_code, l.error_code) AS error_code,
           coalesce(o.error_message, l.error_message) AS error_message,
           coalesce(o.error_pointer, l.error_pointer) AS error_pointer, coalesce(o.errors, l.errors) AS errors,
           l.payload, l.origin_line, l.row_number
      FROM import_queue_line l
      LEFT JOIN import_queue_outcome o
        ON o.workflow_import_queue_batch_id = ${batchId} AND o.line_number = l.line_number
       AND o.line_number BETWEEN ${first} AND ${last}
     WHERE l.workflow_import_queue_batch_id = ${batchId} AND l.line_number BETWEEN ${first} AND ${last})`;
}

/** The records of these lines without an outcome, in line order. */
export async function selectPendingRecords(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<ImportRecord[]> {
  const { rows } = await sql.query<ImportRecord>(
    `SELECT l.line_number AS line, l.payload FROM ${pendingBetween('$2', '$3')}`,
    [batchId, firstLine, lastLine],
  );
  return inLineOrder(rows);
}

/** The same for an undo, in the order in which they are reverted. */
export async function selectPendingUndos(
  sql: Sql,
  batchId: number,
  { firstLine, lastLine }: { firstLine: number; lastLine: number },
  lastLineFirst: boolean,
): Promise<ImportRecord[]> {
  const { rows } = await sql.query<ImportRecord>(
    `SELECT l.line_number AS line, l.payload, l.reference FROM ${pendingBetween('$2', '$3')}`,
    [batchId, firstLine, lastLine],
  );
  const inOrder = inLineOrder(rows);
  return lastLineFirst ? inOrder.reverse() : inOrder;
}

/** A record that changed something. */
export interface EffectiveRecord {
  line: number;
  payload: string;
  /** The row that a spreadsheet shows; `null` if that is the line. */
  row: number | null;
  reference: string | null;
}

/** A record that an undo reverts, with its ordering keys. */
export interface RecordToUndo extends EffectiveRecord {
  orderingKeys: readonly string[];
}

/** The records of a range of lines that changed something, in line order, at most `limit`. */
export async function selectEffects(
  sql: Sql,
  batchId: number,
  { firstLine, lastLine }: { firstLine: number; lastLine: number },
  limit: number | null = null,
): Promise<EffectiveRecord[]> {
  const { rows } = await sql.query<EffectiveRecord>(
    `SELECT line_number AS line, payload, row_number AS "row", reference
       FROM ${recordsBetween('$1', '$2', '$3')} record
      WHERE operation IN ('created', 'updated', 'reverted')
      ORDER BY line_number LIMIT $4`,
    [batchId, firstLine, lastLine, limit],
  );
  return rows;
}

const OUTCOME = 'workflow_import_queue_batch_id, line_number, outcome, reference';
const EFFECTS_COPY = `import_queue_outcome (${OUTCOME})`;
const EXPLAINED_COPY = `import_queue_outcome (${OUTCOME}, error_code, error_message, error_pointer, errors)`;
const DELIVERED_COPY = `import_queue_outcome (${OUTCOME}, error_code, error_message, error_pointer, errors, attempts)`;
const CODES = { created: 'c', updated: 'u', unchanged: 'n', reverted: 'r' } as const;
const LETTERS = { succeeded: 'd', skipped: 's', failed: 'f', unknown: 'q' } as const;

/**
 * Writes the outcomes of pending records. The caller holds the lock of their chunk.
 * @param alongside asks for what is sent in the same round trip, and is run after the outcomes are written
 * @throws Error if one of the records already has an outcome
 */
export async function writeOutcomes<Result>(
  transaction: Transaction,
  batchId: number,
  outcomes: readonly TargetOutcome[],
  alongside: () => Promise<Result>,
): Promise<Result> {
  const effects = outcomes.filter(isEffect);
  const explained = outcomes.filter((outcome) => !isEffect(outcome));
  const rows = await Promise.all([
    rowsToCopy(EFFECTS_COPY, effects, (outcome) => {
      const code = outcome.status === 'skipped' ? LETTERS.skipped : CODES[outcome.operation];
      return `${batchId}\t${outcome.line}\t${code}\t${messageField(outcome.reference)}`;
    }),
    rowsToCopy(EXPLAINED_COPY, explained, (outcome) => {
      const { code, message, pointer } = outcome.error;
      const fields = [outcome.reference, code, message, pointer ?? null, storedErrors(outcome)];
      const letter = outcome.status === 'skipped' ? 'k' : LETTERS.failed;
      return `${batchId}\t${outcome.line}\t${letter}\t${fields.map(messageField).join('\t')}`;
    }),
  ]);
  const written = transaction.copyTogether(rows);
  const result = alongside();
  // It fails with the outcomes, which have the reason.
  result.catch(() => undefined);
  try {
    await written;
    return await result;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new Error(`a record of batch ${batchId} already has an outcome`, { cause: error });
  }
}

/** The same for outcomes that may have taken several attempts. */
export async function writeDeliveredOutcomes(
  transaction: Transaction,
  batchId: number,
  outcomes: readonly DeliveredOutcome[],
): Promise<void> {
  await transaction.copyTogether([
    await rowsToCopy(DELIVERED_COPY, outcomes, (outcome) => {
      const { line, reference, attempts, status, operation } = outcome;
      const error = 'error' in outcome ? outcome.error : undefined;
      const letter = status === 'succeeded' && operation !== null ? CODES[operation] : LETTERS[status];
      const errors = error === undefined ? null : storedErrors({ errors: undefined, ...outcome, error });
      const fields = [reference, error?.code ?? null, error?.message ?? null, error?.pointer ?? null, errors];
      return `${batchId}\t${line}\t${letter}\t${fields.map(messageField).join('\t')}\t${attempts}`;
    }),
  ]);
  await transaction.query(
    `DELETE FROM import_queue_delivery
      WHERE workflow_import_queue_batch_id = $1 AND line_number = ANY ($2::integer[])`,
    [batchId, outcomes.map(({ line }) => line)],
  );
}

/** What is stored about records without an outcome that a target was sent, by line. */
export async function selectDeliveryStates(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<Map<number, DeliveryState>> {
  const { rows } = await sql.query<DeliveryState & { line: number }>(
    `SELECT line_number AS line, attempts, suspect AS "isSuspect",
            greatest(0, extract(epoch FROM due_at - clock_timestamp()) * 1000)::float8 AS "dueInMs"
       FROM import_queue_delivery
      WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3`,
    [batchId, firstLine, lastLine],
  );
  return new Map(rows.map(({ line, ...state }) => [line, state]));
}

const INTERRUPTED =
  'The record was sent, and the worker stopped before it knew the answer. Whether the receiver has it is not known.';

/**
 * Ends the records of these lines that an earlier worker may have sent to a target that must not get them twice; the
 * caller holds the lock of their chunk. Answers how many.
 */
export async function endInterrupted(
  transaction: Transaction,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `WITH interrupted AS (
       DELETE FROM import_queue_delivery
        WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3 AND uncertain
       RETURNING line_number, attempts
     )
     INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome, error_code, error_message,
       attempts)
     SELECT $1, line_number, 'q', 'outcome_unknown', $4, attempts + 1 FROM interrupted`,
    [batchId, firstLine, lastLine, INTERRUPTED],
  );
  return rowCount;
}

type ExplainedOutcome = Extract<TargetOutcome, { error: RecordError }>;

/** The other outcomes have an error: records that failed, and those that an undo kept. */
function isEffect(outcome: TargetOutcome): outcome is Exclude<TargetOutcome, ExplainedOutcome> {
  return outcome.status !== 'failed' && outcome.operation !== 'kept';
}

function messageField(text: string | null): string {
  return copyField(text === null ? null : visiblyEscaped(text));
}

/** The errors of a record. */
export type RecordErrors = Pick<RowVerdict, 'error' | 'errors'>;

/** The errors of a refused record that are stored. */
export function allErrors({ error, errors }: RecordErrors): readonly RecordError[] {
  return errors?.slice(0, MOST_ERRORS) ?? (error === null ? [] : [error]);
}

/** The `errors` of a record as JSON; `null` if it has at most one error, which the other columns hold. */
export function storedErrors(verdict: RecordErrors): string | null {
  const errors = allErrors(verdict);
  if (errors.length < 2) return null;
  return JSON.stringify(
    errors.map(({ code, message, pointer }) => ({
      code: visiblyEscaped(code),
      message: visiblyEscaped(message),
      pointer: pointer === undefined ? null : visiblyEscaped(pointer),
    })),
  );
}

/** What a person says about a record whose outcome is unknown. */
export const UNKNOWN_RESOLUTIONS = ['delivered', 'not_delivered'] as const;
export type UnknownResolution = (typeof UNKNOWN_RESOLUTIONS)[number];

const NOT_DELIVERED = 'A person stated that the receiver does not have the record. It can be sent again.';

/**
 * Ends the unknown records of a locked batch that has ended, and counts them so. Answers their lines.
 * @param lines only these; `null`: all
 */
export async function resolveRecords(
  transaction: Transaction,
  batchId: number,
  resolution: UnknownResolution,
  lines: readonly number[] | null,
): Promise<number[]> {
  const isDelivered = resolution === 'delivered';
  const { rows } = await transaction.query<{ line: number }>(
    `WITH resolved AS (
       UPDATE import_queue_outcome
          SET outcome = $3, error_code = $4, error_message = $5
        WHERE workflow_import_queue_batch_id = $1 AND outcome = 'q' AND error_code IS NOT NULL
          AND ($2::integer[] IS NULL OR line_number = ANY ($2))
       RETURNING line_number
     ), of_chunk AS (
       SELECT c.chunk_number, count(*)::integer AS records
         FROM resolved r
         JOIN import_queue_chunk c
           ON c.workflow_import_queue_batch_id = $1 AND r.line_number BETWEEN c.first_line AND c.last_line
        GROUP BY 1
     ), chunks AS (
       UPDATE import_queue_chunk c
          SET unknown_count = unknown_count - records,
              succeeded_count = succeeded_count + CASE WHEN $6 THEN records ELSE 0 END,
              failed_count = failed_count + CASE WHEN $6 THEN 0 ELSE records END
         FROM of_chunk
        WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = of_chunk.chunk_number AND c.state = 'done'
     ), batch AS (
       UPDATE import_queue_batch
          SET unknown_count = unknown_count - records,
              succeeded_count = succeeded_count + CASE WHEN $6 THEN records ELSE 0 END,
              failed_count = failed_count + CASE WHEN $6 THEN 0 ELSE records END,
              resolved_count = resolved_count + CASE WHEN $6 THEN records ELSE 0 END
         FROM (SELECT count(*)::integer AS records FROM resolved) counted
        WHERE workflow_import_queue_batch_id = $1 AND finished_at IS NOT NULL AND records > 0
       RETURNING import_process_id, finished_at, CASE WHEN $6 THEN records ELSE 0 END AS records
     ), statistics AS (${countingDelivered('batch')})
     SELECT line_number AS line FROM resolved ORDER BY 1`,
    [
      batchId,
      lines,
      isDelivered ? LETTERS.succeeded : LETTERS.failed,
      isDelivered ? null : resolution,
      isDelivered ? null : NOT_DELIVERED,
      isDelivered,
    ],
  );
  return rows.map(({ line }) => line);
}

/** Cancels the records of these lines that were never tried; answers how many. */
export async function cancelRecords(
  transaction: Transaction,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `WITH forgotten AS (
       DELETE FROM import_queue_delivery
        WHERE workflow_import_queue_batch_id = $1 AND line_number BETWEEN $2 AND $3
     )
     INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome)
     SELECT l.workflow_import_queue_batch_id, l.line_number, 'x' FROM ${pendingBetween('$2', '$3')}`,
    [batchId, firstLine, lastLine],
  );
  return rowCount;
}

/** Cancels all records of an abandoned upload; answers how many. */
export async function abandonRecords(transaction: Transaction, batchId: number): Promise<number> {
  const { rowCount } = await transaction.query(
    `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome)
     SELECT workflow_import_queue_batch_id, line_number, 'x' FROM import_queue_line
      WHERE workflow_import_queue_batch_id = $1 AND status = 'pending'`,
    [batchId],
  );
  return rowCount;
}

/** The lines of the previous and the next record; `null` if there is none. Blank lines are not records. */
export interface Neighbours {
  before: number | null;
  after: number | null;
}

/** The bounds from the chunks keep every possible plan from reading the whole batch. */
export async function selectNeighbours(sql: Sql, batchId: number, line: number): Promise<Neighbours> {
  const { rows } = await sql.query<Neighbours>(
    `SELECT (SELECT max(line_number) FROM import_queue_line
              WHERE workflow_import_queue_batch_id = $1 AND line_number < $2 AND line_number >= (
                SELECT max(first_line) FROM import_queue_chunk
                 WHERE workflow_import_queue_batch_id = $1 AND first_line < $2)) AS before,
            (SELECT min(line_number) FROM import_queue_line
              WHERE workflow_import_queue_batch_id = $1 AND line_number > $2 AND line_number <= (
                SELECT min(last_line) FROM import_queue_chunk
                 WHERE workflow_import_queue_batch_id = $1 AND last_line > $2)) AS after`,
    [batchId, line],
  );
  return rows[0] ?? { before: null, after: null };
}

/** Deletes the records of an upload whose file is read in another way. None of them has an outcome yet. */
export async function deleteRecords(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query('DELETE FROM import_queue_line WHERE workflow_import_queue_batch_id = $1', [
    batchId,
  ]);
}
