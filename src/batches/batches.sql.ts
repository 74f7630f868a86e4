import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import {
  assertCanBecome,
  type BatchEvent,
  type BatchStatus,
  eventOf,
  isTerminal,
  type PauseReason,
  PROCESSABLE,
  RETRY_CREATION_PATH,
  RUNNING,
  UNFINISHED,
  type UnfinishedStatus,
} from './batch-state.js';
import { abandonChunks, type ChunkKey, lookAhead, PROBE_INTERVAL, PROBED } from './chunks.sql.js';
import { LARGEST_SHARE, MAY_START, windowOf } from './control.sql.js';
import type { UploadFindings } from './entities.js';
import { abandonRecords } from './records.sql.js';
import { countingEnd } from './statistics.sql.js';
import { deleteUploadOfBatch } from './uploads.sql.js';

/*
 * import_queue_batch. Its states, as `batch-state.ts` defines them:
 *
 *   receiving ──┬── awaiting_confirmation ──┬── canceled (abandoned)
 *               │                           │ confirmed
 *               ├── validated (dry run)     │
 *               └───────────── queued ◄─────┘
 *                                │ first chunk
 *                 paused ◄──► in_progress ──► completed, completed_with_errors, failed
 *                    └────┬──────┘
 *                     canceling ──► canceled
 *
 * BatchMaker inserts the row as `receiving` and makes it visible with its records, in one transaction. After that
 * `changeStatus` is the only statement that changes a status.
 */

/** Statuses as the items of an SQL list. They are constants of this program, never input. */
function listed(statuses: readonly BatchStatus[]): string {
  return statuses.map((status) => `'${status}'`).join(', ');
}

const IS_UNFINISHED = `status IN (${listed(UNFINISHED)})`;
const IS_RUNNING = `status IN (${listed(RUNNING)})`;
/** Whether the records of a batch `b` are still processed, and not only canceled. */
const GOES_ON = `(b.status <> 'canceling' AND b.failure_reason IS NULL)`;
const IS_PROCESSABLE = `status IN (${listed(PROCESSABLE)})`;

/** The counts stored in the row of a batch when it ends, so that lists need not add up chunks. */
interface EndCounts {
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  unknown: number;
  created: number;
  updated: number;
  unchanged: number;
}

/** The values that a transition writes besides the status. */
export interface TransitionDetails {
  /** Present if, and only if, the new status is terminal. */
  counts?: EndCounts;
  /** Present if, and only if, the batch becomes `paused`. */
  pause?: { reason: PauseReason; detail: string | null };
  /** The batch was not marked as started: its work began with this transaction. */
  startsNow?: boolean;
}

/**
 * Whether a webhook may have to be stored. Most installations have no endpoint, and planning the statement that stores
 * webhooks costs PostgreSQL more than the rest of a short transaction.
 */
const HAS_ENDPOINTS = `EXISTS (SELECT FROM webhook_endpoint WHERE status = 'active') AS "hasEndpoints"`;

/** Whether webhooks of a batch may have to be stored. */
export async function hasEndpoints(sql: Sql): Promise<boolean> {
  const { rows } = await sql.query<{ hasEndpoints: boolean }>(`SELECT ${HAS_ENDPOINTS}`);
  return rows[0]?.hasEndpoints ?? true;
}

/**
 * Changes the status of a batch if it is still in the status `from`, and stores the webhooks that report the change.
 * Answers whether the status changed.
 * @throws Error if the state machine has no such transition
 */
export async function transition(
  transaction: Transaction,
  batchId: number,
  from: BatchStatus,
  to: BatchStatus,
  details: TransitionDetails = {},
): Promise<boolean> {
  const changed = await changeStatus(transaction, batchId, from, to, details);
  if (changed === null) return false;
  if (details.pause !== undefined) await insertPauseMail(transaction, batchId, details.pause);
  const event = eventOf(to);
  if (event !== undefined && changed.hasEndpoints) await insertBatchWebhooks(transaction, batchId, [event]);
  return true;
}

const UPDATE_STATUS = `UPDATE import_queue_batch
        SET status = $3,
            started_at = CASE WHEN $15 THEN coalesce(started_at, now()) ELSE started_at END,
            finished_at = CASE WHEN $4::boolean THEN clock_timestamp() END,
            succeeded_count = $5, failed_count = $6, skipped_count = $7, canceled_count = $8, unknown_count = $9,
            created_count = $10, updated_count = $11, unchanged_count = $12,
            pause_reason = $13, pause_detail = $14,
            paused_after = CASE WHEN $3 = 'paused' THEN now() - created_at END,
            probe_at = CASE WHEN $13 IN (${PROBED}) THEN now() + ${PROBE_INTERVAL} END
      WHERE workflow_import_queue_batch_id = $1 AND status = $2
     RETURNING *`;

/** Answers `null` if the batch is no longer in the status `from`. */
async function changeStatus(
  sql: Sql,
  batchId: number,
  from: BatchStatus,
  to: BatchStatus,
  { counts, pause, startsNow = false }: TransitionDetails = {},
): Promise<{ hasEndpoints: boolean } | null> {
  assertCanBecome(from, to);
  const values = [
    batchId,
    from,
    to,
    isTerminal(to),
    counts?.succeeded,
    counts?.failed,
    counts?.skipped,
    counts?.canceled,
    counts?.unknown,
    counts?.created,
    counts?.updated,
    counts?.unchanged,
    pause?.reason,
    pause?.detail,
    startsNow || to === 'in_progress',
  ];
  // Abandoned uploads are not imports.
  const { rows } =
    isTerminal(to) && from !== 'awaiting_confirmation'
      ? await sql.query<{ hasEndpoints: boolean }>(
          `WITH batch AS (${UPDATE_STATUS}), counted AS (${countingEnd('batch')})
           SELECT ${HAS_ENDPOINTS} FROM batch`,
          values,
        )
      : await sql.query<{ hasEndpoints: boolean }>(
          `WITH batch AS (${UPDATE_STATUS}) SELECT ${HAS_ENDPOINTS} FROM batch`,
          values,
        );
  return rows[0] ?? null;
}

/** What is known about a batch once all its records are stored. */
interface Arrival {
  status: BatchStatus;
  upload: UploadFindings | undefined;
  totalCount: number;
  invalidCount: number;
  chunkCount: number;
}

/** Ends the storing of a batch that this transaction has inserted. A dry run has ended with it. */
export async function writeArrival(
  transaction: Transaction,
  batchId: number,
  { status, upload, totalCount, invalidCount, chunkCount }: Arrival,
): Promise<void> {
  assertCanBecome('receiving', status);
  await transaction.query(
    `UPDATE import_queue_batch
        SET status = $2, upload = coalesce($3, upload), total_count = $4, invalid_count = $5, chunk_count = $6,
            (finished_at, succeeded_count, failed_count, skipped_count, canceled_count, unknown_count, created_count,
             updated_count, unchanged_count)
              = (SELECT now(), 0, 0, 0, 0, 0, 0, 0, 0 WHERE $7)
      WHERE workflow_import_queue_batch_id = $1 AND status = 'receiving'`,
    [
      batchId,
      status,
      upload === undefined ? null : JSON.stringify(upload),
      totalCount,
      invalidCount,
      chunkCount,
      isTerminal(status),
    ],
  );
}

/** The facts about a batch that a worker needs before it opens a chunk's transaction. */
export interface RunningBatch {
  id: number;
  status: BatchStatus;
  failureReason: string | null;
  importProcessId: number;
  importProcessVersion: number;
  workflowVersion: number | null;
  /** The batch whose effects it reverts. */
  undoOf: number | null;
  lastLineFirst: boolean;
  createdBy: string;
  traceparent: string | null;
  muteBehaviors: boolean;
  chunkCount: number;
  /** The lines of the chunk that may be processed whatever others do; `null` if its transaction has to find out. */
  lines: readonly [first: number, last: number] | null;
}

/**
 * Reads the batch of a chunk. The first chunk never waits for another one, and a batch without a canary waits for no
 * review, so the lines of such a chunk are known before it is locked.
 */
export async function selectRunningBatch(
  sql: Sql,
  { batchId, chunkNumber }: ChunkKey,
): Promise<RunningBatch | undefined> {
  const { rows } = await sql.query<RunningBatch>(
    `SELECT workflow_import_queue_batch_id AS id, status, failure_reason AS "failureReason",
            import_process_id AS "importProcessId", import_process_version AS "importProcessVersion",
            workflow_version AS "workflowVersion", undo_of AS "undoOf", last_line_first AS "lastLineFirst",
            created_by AS "createdBy", traceparent, chunk_count AS "chunkCount",
            coalesce(mute_behaviors, false) AS "muteBehaviors",
            CASE WHEN canary_line IS NULL THEN
              (SELECT json_build_array(first_line, last_line) FROM import_queue_chunk
                WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND chunk_number = 1) END AS lines
       FROM import_queue_batch LEFT JOIN import_queue_batch_control USING (workflow_import_queue_batch_id)
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId, chunkNumber],
  );
  return rows[0];
}

/**
 * Marks the batch as started, outside the transaction of its first chunk, so that the chunks of a batch do not wait for
 * each other on the batch row. No webhook reports the start.
 */
export async function startBatch(sql: Sql, { id, status }: RunningBatch): Promise<void> {
  if (status === 'queued') await changeStatus(sql, id, 'queued', 'in_progress');
}

/** Batches that a fault paused and that are due for a probe: one of their chunks is tried. Schedules the next probe. */
export async function claimDueProbes(sql: Sql): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `UPDATE import_queue_batch SET probe_at = now() + ${PROBE_INTERVAL}
      WHERE status = 'paused' AND pause_reason IN (${PROBED}) AND probe_at <= now()
     RETURNING workflow_import_queue_batch_id AS id`,
  );
  return rows.map(({ id }) => id);
}

/** The state of the batch when an action locks it. */
export interface LockedBatch {
  status: BatchStatus;
  startedAt: Date | null;
  importProcessId: number;
  createdBy: string;
}

/** Locks a batch whose status is about to change. Other transactions can still write rows that refer to it. */
export async function lockBatch(transaction: Transaction, batchId: number): Promise<LockedBatch | undefined> {
  const { rows } = await transaction.query<LockedBatch>(
    `SELECT status, started_at AS "startedAt", import_process_id AS "importProcessId", created_by AS "createdBy"
       FROM import_queue_batch
      WHERE workflow_import_queue_batch_id = $1
        FOR NO KEY UPDATE`,
    [batchId],
  );
  return rows[0];
}

/** The chunks of a batch that may be queued now. */
export interface Window {
  status: BatchStatus;
  /** How many may be queued at a time. */
  size: number;
  /** Whether the control of the batch may ask for a pause. */
  mayPause: boolean;
  /** Records behind this line wait for the review of those before it. */
  canaryLine: number | null;
}

/**
 * Answers `null` if no chunk may be queued now: the batch is paused, has ended, or starts later. Locks the batch row: the next caller waits, and then counts the chunks that this transaction queued. Running chunks
 * do not touch the batch row, and other transactions can still write rows that refer to it.
 */
export async function lockWindow(
  transaction: Transaction,
  batchId: number,
  chunkWindow: number,
): Promise<Window | null> {
  const { rows } = await transaction.query<Window>(
    `SELECT b.status, ${windowOf('$2')} AS size,
            control.workflow_import_queue_batch_id IS NOT NULL AND ${GOES_ON} AS "mayPause",
            CASE WHEN ${GOES_ON} THEN control.canary_line END AS "canaryLine"
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
       LEFT JOIN import_queue_batch_control control USING (workflow_import_queue_batch_id)
      WHERE b.workflow_import_queue_batch_id = $1 AND b.${IS_RUNNING} AND ${MAY_START}
        FOR NO KEY UPDATE OF b`,
    [batchId, chunkWindow],
  );
  return rows[0] ?? null;
}

/** The batches with a chunk that could be queued now, oldest first. In normal operation there are none. */
export async function selectBatchesWithRoom(sql: Sql, chunkWindow: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT b.workflow_import_queue_batch_id AS id
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
       LEFT JOIN import_queue_batch_control control USING (workflow_import_queue_batch_id)
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
               array_agg(chunk_number) AS open,
               array_agg(coalesce(blocked_by, 0)) FILTER (WHERE state = 'pending') AS waits_for
          FROM (SELECT chunk_number, state, blocked_by
                  FROM import_queue_chunk c
                 WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id AND c.state <> 'done'
                 ORDER BY chunk_number
                 LIMIT $2) ahead) chunks
      WHERE b.${IS_RUNNING} AND ${MAY_START}
        AND chunks.queued < ${windowOf('$1')}
        AND NOT coalesce(chunks.waits_for, '{}') <@ chunks.open
      ORDER BY b.workflow_import_queue_batch_id`,
    [chunkWindow, lookAhead(LARGEST_SHARE * chunkWindow)],
  );
  return rows.map(({ id }) => id);
}

const HAS_ENDED = `b.workflow_import_queue_batch_id = $1 AND b.${IS_UNFINISHED}
        AND NOT EXISTS (SELECT FROM import_queue_chunk c
                         WHERE c.workflow_import_queue_batch_id = $1 AND c.state <> 'done')`;

/** Whether all chunks are done and only the end remains to be written. Runs after every chunk; reads only an index. */
export async function hasEnded(sql: Sql, batchId: number): Promise<boolean> {
  const { rowCount } = await sql.query(`SELECT FROM import_queue_batch b WHERE ${HAS_ENDED}`, [batchId]);
  return rowCount > 0;
}

/** A batch whose chunks are all done: the facts that decide its end, and the sums over its chunks. */
export interface EndedBatch extends EndCounts {
  status: UnfinishedStatus;
  failureReason: string | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
  invalid: number;
  /** Since its first chunk began; since it was created if none did. */
  seconds: number;
  /** Whether webhooks may have to be stored. */
  hasEndpoints: boolean;
}

/**
 * Locks the batch if it has ended and its end is not written yet. Of several concurrent callers, one gets the batch;
 * the others wait and then find a terminal status. Done chunks never change again, so the sums are final.
 * @param startsNow the batch began with this transaction if it is not marked as started
 */
export async function lockEndedBatch(
  transaction: Transaction,
  batchId: number,
  startsNow: boolean,
): Promise<EndedBatch | undefined> {
  const { rows } = await transaction.query<EndedBatch>(
    `WITH ended AS MATERIALIZED (
       SELECT b.status, b.failure_reason, b.send_success_email_to, b.send_failure_email_to, b.invalid_count,
              extract(epoch FROM clock_timestamp() - coalesce(b.started_at, CASE WHEN $2 THEN now() END, b.created_at))::float8
                AS seconds
         FROM import_queue_batch b
        WHERE ${HAS_ENDED}
          FOR NO KEY UPDATE OF b
     )
     SELECT ended.status, ended.failure_reason AS "failureReason",
            ended.send_success_email_to AS "sendSuccessEmailTo",
            ended.send_failure_email_to AS "sendFailureEmailTo", ended.invalid_count AS invalid, ended.seconds,
            ${HAS_ENDPOINTS}, sums.*
       FROM ended
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(succeeded_count), 0)::integer AS succeeded,
               coalesce(sum(failed_count), 0)::integer AS failed,
               coalesce(sum(skipped_count), 0)::integer AS skipped,
               coalesce(sum(canceled_count), 0)::integer AS canceled,
               coalesce(sum(unknown_count), 0)::integer AS unknown,
               coalesce(sum(created_count), 0)::integer AS created,
               coalesce(sum(updated_count), 0)::integer AS updated,
               coalesce(sum(unchanged_count), 0)::integer AS unchanged
          FROM import_queue_chunk
         WHERE workflow_import_queue_batch_id = $1) sums`,
    [batchId, startsNow],
  );
  return rows[0];
}

/** Writes the end of a batch that `lockEndedBatch` has locked, with its webhooks, in one round trip. */
export async function endLocked(
  transaction: Transaction,
  batchId: number,
  batch: EndedBatch,
  status: BatchStatus,
  startsNow: boolean,
): Promise<void> {
  const event = eventOf(status);
  await Promise.all([
    changeStatus(transaction, batchId, batch.status, status, { counts: batch, startsNow }),
    event === undefined || !batch.hasEndpoints ? null : insertBatchWebhooks(transaction, batchId, [event]),
  ]);
}

/** Batches whose chunks are all done, but whose end is not written yet. */
export async function selectEndedBatchIds(sql: Sql): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT b.workflow_import_queue_batch_id AS id
       FROM import_queue_batch b
      WHERE b.${IS_UNFINISHED}
        AND NOT EXISTS (SELECT FROM import_queue_chunk c
                         WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
                           AND c.state <> 'done')
      ORDER BY b.workflow_import_queue_batch_id`,
  );
  return rows.map(({ id }) => id);
}

/**
 * Records that the batch cannot be processed at all. Its remaining chunks still pass through the consumer, which
 * cancels their records chunk by chunk instead of in one long transaction. The batch then ends as failed.
 */
export async function writeBatchFault(sql: Sql, batchId: number, reason: string): Promise<void> {
  await sql.query(
    `UPDATE import_queue_batch SET failure_reason = $2
      WHERE workflow_import_queue_batch_id = $1 AND failure_reason IS NULL AND ${IS_PROCESSABLE}`,
    [batchId, reason],
  );
}

/**
 * Ends a locked upload that awaits confirmation. No worker knows about it, so this function cancels its records without
 * waiting for anything.
 */
export async function abandonBatch(transaction: Transaction, batchId: number): Promise<void> {
  await deleteUploadOfBatch(transaction, batchId);
  const canceled = await abandonRecords(transaction, batchId);
  await abandonChunks(transaction, batchId);
  const counts = {
    succeeded: 0,
    failed: 0,
    skipped: 0,
    canceled,
    unknown: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
  };
  await transition(transaction, batchId, 'awaiting_confirmation', 'canceled', { counts });
}

/**
 * The number of unfinished batches, counted up to the limit; reads a small index.
 * @param createdBy counts only the batches of this creator
 */
export async function countUnfinished(sql: Sql, limit: number, createdBy: string | null): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count
       FROM (SELECT FROM import_queue_batch
              WHERE ${IS_UNFINISHED} AND ($2::text IS NULL OR created_by = $2) LIMIT $1) unfinished`,
    [limit, createdBy],
  );
  return rows[0]?.count ?? 0;
}

/** The batches that sent records of this one again, oldest first, including canceled ones. */
export async function selectChildren(sql: Sql, batchId: number, limit: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id FROM import_queue_batch WHERE retry_of = $1
      UNION ALL
     SELECT workflow_import_queue_batch_id FROM import_queue_batch WHERE resend_of = $1
      ORDER BY id LIMIT $2`,
    [batchId, limit],
  );
  return rows.map(({ id }) => id);
}

/** The child that retries all failed records of the batch, unless it was canceled; `null` if there is none. */
export async function selectRetry(sql: Sql, parentId: number): Promise<number | null> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id FROM import_queue_batch
     WHERE retry_of = $1 AND status <> 'canceled' AND creation_path = '${RETRY_CREATION_PATH}'`,
    [parentId],
  );
  return rows[0]?.id ?? null;
}

/** The batch whose failed records are retried. */
export interface LockedParent {
  status: BatchStatus;
  expiredAt: Date | null;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
  /** Its retry, unless that was canceled. */
  childId: number | null;
}

/** Locks the batch, so that it gets only one retry. */
export async function lockParent(
  transaction: Transaction,
  parentId: number,
): Promise<LockedParent | undefined> {
  const { rows } = await transaction.query<Omit<LockedParent, 'childId'>>(
    `SELECT status, expired_at AS "expiredAt", send_success_email_to AS "sendSuccessEmailTo",
            send_failure_email_to AS "sendFailureEmailTo"
       FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 FOR UPDATE`,
    [parentId],
  );
  const [parent] = rows;
  if (parent === undefined) return undefined;
  // A separate statement: only a statement that begins after the lock was taken sees the child of the previous call.
  return { ...parent, childId: await selectRetry(transaction, parentId) };
}

/** How an uploaded file was read. Lists of batches leave it out, because it is large for a file with many columns. */
export async function selectUploadFindings(sql: Sql, batchId: number): Promise<UploadFindings | null> {
  const { rows } = await sql.query<{ upload: UploadFindings | null }>(
    'SELECT upload FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
    [batchId],
  );
  return rows[0]?.upload ?? null;
}

/** The file that the records of a batch come from. */
export interface SourceFile {
  /** The batch as which the file was uploaded. Its records have the same line numbers. */
  batchId: number;
  understood: UnderstoodFile;
}

/**
 * The source file; `null` if the records do not come from a file. Rows that were retried, or fixed on a page, have no
 * file of their own: their source file is that of their first batch.
 */
export async function selectSourceFile(sql: Sql, batchId: number): Promise<SourceFile | null> {
  const { rows } = await sql.query<SourceFile>(
    `WITH RECURSIVE origin AS (
       SELECT workflow_import_queue_batch_id AS id, coalesce(retry_of, resend_of, undo_of) AS parent_id, upload
         FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1
       UNION ALL
       SELECT parent.workflow_import_queue_batch_id,
              coalesce(parent.retry_of, parent.resend_of, parent.undo_of), parent.upload
         FROM origin JOIN import_queue_batch parent ON parent.workflow_import_queue_batch_id = origin.parent_id
        WHERE origin.upload IS NULL
     )
     SELECT id AS "batchId", upload -> 'understood' AS understood FROM origin WHERE upload IS NOT NULL`,
    [batchId],
  );
  return rows[0] ?? null;
}

/** What a webhook reports: ids and counts of the moment of the event. Texts of people are left out. */
export interface BatchFacts {
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: number;
  importProcessId: number;
  importProcessName: string;
  status: BatchStatus;
  creationPath: string;
  retryOf: number | null;
  pauseReason: string | null;
  recordCounts: Record<string, number>;
  operations: Record<string, number>;
}

/**
 * Stores a webhook for each active endpoint that wants the event of the batch. Runs in the transaction of the change,
 * after it, so that the counts are those of the event.
 * The loop over due messages wakes the senders.
 */
export async function insertBatchWebhooks(
  transaction: Transaction,
  batchId: number,
  events: readonly BatchEvent[],
): Promise<void> {
  await transaction.query(
    `INSERT INTO outbox (kind, webhook_endpoint_id, event, workflow_import_queue_batch_id, recipient, receiver,
                         json_body, status)
     SELECT 'batch_webhook', e.webhook_endpoint_id, happened.event, b.workflow_import_queue_batch_id, e.receiver,
            e.receiver, json_build_object(
              'WORKFLOW_IMPORT_QUEUE_BATCH_ID', b.workflow_import_queue_batch_id,
              'importProcessId', b.import_process_id, 'importProcessName', v.name, 'status', b.status,
              'creationPath', b.creation_path, 'retryOf', b.retry_of, 'pauseReason', b.pause_reason,
              'metadata', coalesce(b.metadata, '{}'),
              'recordCounts', json_build_object(
                'total', b.total_count, 'invalid', b.invalid_count,
                'pending', b.total_count - b.invalid_count - s.succeeded - s.failed - s.skipped - s.canceled - s.unknown,
                'processing', 0, 'succeeded', s.succeeded, 'failed', s.failed, 'skipped', s.skipped,
                'canceled', s.canceled, 'unknown', s.unknown),
              'operations', json_build_object(
                'created', s.created, 'updated', s.updated, 'unchanged', s.unchanged)), 'pending'
       FROM webhook_endpoint e
      CROSS JOIN unnest($2::text[]) WITH ORDINALITY happened (event, place)
       JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = $1
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
      CROSS JOIN LATERAL (
        SELECT coalesce(b.succeeded_count, sum(succeeded_count), 0)::integer AS succeeded,
               coalesce(b.failed_count, sum(failed_count), 0)::integer AS failed,
               coalesce(b.skipped_count, sum(skipped_count), 0)::integer AS skipped,
               coalesce(b.canceled_count, sum(canceled_count), 0)::integer AS canceled,
               coalesce(b.unknown_count, sum(unknown_count), 0)::integer AS unknown,
               coalesce(b.created_count, sum(created_count), 0)::integer AS created,
               coalesce(b.updated_count, sum(updated_count), 0)::integer AS updated,
               coalesce(b.unchanged_count, sum(unchanged_count), 0)::integer AS unchanged
          FROM import_queue_chunk k
         WHERE k.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
           AND b.succeeded_count IS NULL) s
      WHERE e.status = 'active' AND happened.event = ANY (e.events)
        AND (e.import_process_ids IS NULL OR b.import_process_id = ANY (e.import_process_ids))
      ORDER BY e.webhook_endpoint_id, happened.place`,
    [batchId, events],
  );
}

/**
 * Owes a mail about the pause to each address for failures. Each pause is a mail of its own, and the change of the status
 * happens once, so nothing more keeps it from being stored twice. The loop over due messages wakes the sender.
 */
async function insertPauseMail(
  transaction: Transaction,
  batchId: number,
  pause: { reason: PauseReason; detail: string | null },
): Promise<void> {
  await transaction.query(
    `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, json_body, status)
     SELECT 'batch_mail', workflow_import_queue_batch_id, 'paused', unnest(string_to_array(send_failure_email_to, ',')),
            $2, 'pending'
       FROM import_queue_batch
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId, JSON.stringify(pause)],
  );
}
