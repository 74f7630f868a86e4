import type { Sql, Transaction } from '../platform/database/database.service.js';

import {
  type BatchStatus,
  HTTP_TARGET_DEFAULTS,
  type mailAddresses,
  type PauseReason,
  type StoredControl,
  RETRY_CREATION_PATH,
} from './batch-state.js';

/* Batches as lists and pages show them. `batches.sql.ts` holds their states and everything that is written. */

/** A batch as it is stored, with the sums over its chunks at the moment of the statement. */
export interface BatchRow {
  /** What the caller stated about the batch. */
  metadata: Record<string, string> | null;
  id: number;
  fileName: string;
  importProcessId: number;
  importProcessName: string;
  importProcessVersion: number;
  /** Of times without an offset in its file. */
  timeZone: string;
  workflowVersion: number | null;
  creationPath: string;
  status: BatchStatus;
  failureReason: string | null;
  /** Why it is paused; `null` if it is not paused. */
  pauseReason: PauseReason | null;
  /** The fault behind the pause. */
  pauseDetail: string | null;
  /** How it is to be run; `null` if simply as soon as possible. */
  control: StoredControl | null;
  /** Older batches that run or wait; only for a single batch that was selected by id and has not started. */
  batchesAhead: number | null;
  /** Whether none of its records can be sent, because others of its import process use its `concurrency` up. */
  isLimited: boolean;
  /** Whether workers run, but none of them fits the schema. */
  noWorkerFits: boolean;
  retryOf: number | null;
  resendOf: number | null;
  /** The batch that it undoes. */
  undoOf: number | null;
  /** The undo of it that is in effect. */
  undoneBy: number | null;
  /** The upload that was sent in its place; only for a single batch that was selected by id. */
  replacedBy: number | null;
  /** Whether its target may record what records change. */
  mayBeUndone: boolean;
  /** Whether its records come from an uploaded file. */
  fromFile: boolean;
  /** The child that retries the failed records, unless it was canceled; `null` if there is none. */
  retriedBy: number | null;
  createdBy: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** When its retention ended. Its records cannot be read since then. */
  expiredAt: Date | null;
  total: number;
  invalid: number;
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  unknown: number;
  created: number;
  updated: number;
  unchanged: number;
  /** Records without an outcome. */
  pending: number;
  /** Records whose chunk was done within the last `RATE_WINDOW_SECONDS`. */
  recentlyDone: number;
  /** The time of the database, so that rates do not depend on the clock of this process. */
  now: Date;
}

export const RATE_WINDOW_SECONDS = 15;

/** A worker renews its row every 5 s. */
export const WORKER_LIVES_SECONDS = 20;

const target = (name: keyof typeof HTTP_TARGET_DEFAULTS): string =>
  `coalesce((v.target ->> '${name}')::integer, ${HTTP_TARGET_DEFAULTS[name]})`;

/**
 * Whether a batch `b` with the version `v` and the sums `c` over its chunks has no record with an outcome yet, while
 * chunks of others that are being delivered have requests enough for all that the import process may send at a time.
 */
const IS_LIMITED = `CASE WHEN v.target ->> 'kind' = 'http' AND b.status IN ('queued', 'in_progress')
              AND c.pending = b.total_count - b.invalid_count THEN
         (SELECT sum(ceil((k.record_count - k.invalid_count - k.succeeded_count - k.failed_count - k.skipped_count
                           - k.canceled_count - k.unknown_count)::numeric / ${target('batchSize')})) >= ${target('concurrency')}
            FROM import_queue_batch other
            JOIN import_queue_chunk k
              ON k.workflow_import_queue_batch_id = other.workflow_import_queue_batch_id AND k.state <> 'done'
           WHERE other.import_process_id = b.import_process_id
             AND other.workflow_import_queue_batch_id <> b.workflow_import_queue_batch_id
             AND other.status IN ('queued', 'in_progress', 'canceling') AND k.lease_until > now()) END`;

/** The conditions for selecting batches; an omitted condition selects all. */
export interface BatchSelection {
  id?: number;
  /** Only batches older than this one. */
  beforeId?: number;
  /** Any of these. */
  statuses?: readonly string[];
  importProcessId?: number;
  /** Any of these. */
  creationPaths?: readonly string[];
  /** A part of the file name, case-insensitive. */
  fileNamePart?: string;
  /** Any of these: the import processes that the principal may use. */
  importProcessIds?: readonly number[] | null;
  /** Id of a principal. */
  createdBy?: string;
  /** Any of these principals. */
  createdByAny?: readonly string[];
  createdFrom?: Date;
  /** Exclusive. */
  createdUntil?: Date;
  limit: number;
}

/**
 * Batches newest first, each with its counts. One statement reads them from one snapshot, so the total is always the
 * sum of the states, regardless of concurrent commits. A finished batch stores its counts in its own row. The statement
 * adds up only the chunks of unfinished batches on the page. PostgreSQL plans the statement with its parameters, so
 * omitted conditions cost nothing.
 */
export async function selectBatches(sql: Sql, selection: BatchSelection): Promise<BatchRow[]> {
  const { id, beforeId, statuses, importProcessId, creationPaths, fileNamePart, importProcessIds } =
    selection;
  const { rows } = await sql.query<BatchRow>(
    `WITH page AS (
       SELECT * FROM import_queue_batch b
        WHERE ($2::bigint IS NULL OR b.workflow_import_queue_batch_id = $2)
          AND ($3::bigint IS NULL OR b.workflow_import_queue_batch_id < $3)
          AND ($4::text[] IS NULL OR b.status = ANY ($4))
          AND ($5::bigint IS NULL OR b.import_process_id = $5)
          AND ($6::text[] IS NULL OR b.creation_path = ANY ($6))
          AND ($7::text IS NULL OR b.file_name ILIKE $7)
          AND ($8::bigint[] IS NULL OR b.import_process_id = ANY ($8))
          AND ($9::text IS NULL OR b.created_by = $9)
          AND ($10::text[] IS NULL OR b.created_by = ANY ($10))
          AND ($11::timestamptz IS NULL OR b.created_at >= $11)
          AND ($12::timestamptz IS NULL OR b.created_at < $12)
       ORDER BY b.workflow_import_queue_batch_id DESC LIMIT $1
     )
     SELECT b.workflow_import_queue_batch_id AS "id", b.file_name AS "fileName",
       b.import_process_id AS "importProcessId", v.name AS "importProcessName",
       b.import_process_version AS "importProcessVersion", v.time_zone AS "timeZone", b.workflow_version AS "workflowVersion",
       b.creation_path AS "creationPath", b.status,
       b.failure_reason AS "failureReason", b.pause_reason AS "pauseReason", b.pause_detail AS "pauseDetail",
       CASE WHEN b.status = 'queued' AND $2::bigint IS NOT NULL THEN
         (SELECT count(*) FROM import_queue_batch ahead
           WHERE ahead.status IN ('queued', 'in_progress', 'canceling')
             AND ahead.workflow_import_queue_batch_id < b.workflow_import_queue_batch_id) END AS "batchesAhead",
       coalesce(${IS_LIMITED}, false) AS "isLimited",
       (SELECT count(*) > 0 AND bool_and(refusal IS NOT NULL) FROM import_queue_worker
         WHERE seen_at > now() - interval '${WORKER_LIVES_SECONDS} seconds') AS "noWorkerFits",
       (SELECT row_to_json(control) FROM (
          SELECT priority, max_failed AS "maxFailed", max_failed_percent AS "maxFailedPercent",
                 not_before AS "notBefore", expires_at AS "expiresAt", canary, mute_behaviors AS "muteBehaviors"
            FROM import_queue_batch_control k
           WHERE k.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id) control) AS "control",
       b.metadata, b.retry_of AS "retryOf", b.resend_of AS "resendOf", b.undo_of AS "undoOf",
       ${undoInEffect('b.workflow_import_queue_batch_id')} AS "undoneBy",
       CASE WHEN $2::bigint IS NOT NULL AND b.upload IS NOT NULL AND b.started_at IS NULL
              AND b.status IN ('awaiting_confirmation', 'canceled') THEN
         (SELECT r.workflow_import_queue_batch_id FROM import_queue_batch r
           WHERE r.created_by = b.created_by AND r.workflow_import_queue_batch_id > b.workflow_import_queue_batch_id
             AND r.import_process_id = b.import_process_id AND r.file_name = b.file_name
             AND r.upload IS NOT NULL AND r.status <> 'validated'
           ORDER BY r.workflow_import_queue_batch_id LIMIT 1) END AS "replacedBy",
       (v.target ->> 'kind' NOT IN ('http', 'table') OR v.target ->> 'log' IS NOT DISTINCT FROM 'true') AS "mayBeUndone",
       (b.upload IS NOT NULL AND b.status <> 'validated') AS "fromFile",
       (SELECT r.workflow_import_queue_batch_id FROM import_queue_batch r
         WHERE r.retry_of = b.workflow_import_queue_batch_id AND r.status <> 'canceled'
           AND r.creation_path = '${RETRY_CREATION_PATH}') AS "retriedBy",
       b.created_by AS "createdBy", b.created_at AS "createdAt", b.started_at AS "startedAt",
       b.finished_at AS "finishedAt", b.expired_at AS "expiredAt", b.total_count AS "total", b.invalid_count AS "invalid",
       coalesce(b.succeeded_count, c.succeeded, 0) AS "succeeded",
       coalesce(b.failed_count, c.failed, 0) AS "failed",
       coalesce(b.skipped_count, c.skipped, 0) AS "skipped",
       coalesce(b.canceled_count, c.canceled, 0) AS "canceled",
       coalesce(b.unknown_count, c.unknown, 0) AS "unknown",
       coalesce(b.created_count, c.created, 0) AS "created",
       coalesce(b.updated_count, c.updated, 0) AS "updated",
       coalesce(b.unchanged_count, c.unchanged, 0) AS "unchanged",
       CASE WHEN b.succeeded_count IS NULL THEN coalesce(c.pending, 0)
         ELSE b.total_count - b.invalid_count - b.succeeded_count - b.failed_count - b.skipped_count
              - b.canceled_count - b.unknown_count END AS "pending",
       coalesce(c.recently_done, 0) AS "recentlyDone", now() AS "now"
     FROM page b
     JOIN import_process_version v
       ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
     LEFT JOIN LATERAL (
       SELECT sum(succeeded_count) AS succeeded, sum(failed_count) AS failed, sum(skipped_count) AS skipped,
         sum(canceled_count) AS canceled, sum(unknown_count) AS unknown, sum(created_count) AS created,
         sum(updated_count) AS updated, sum(unchanged_count) AS unchanged,
         sum(record_count - invalid_count - succeeded_count - failed_count - skipped_count - canceled_count
           - unknown_count) AS pending,
         sum(record_count - invalid_count)
           FILTER (WHERE done_at > now() - interval '${RATE_WINDOW_SECONDS} seconds') AS recently_done
       FROM import_queue_chunk k
       WHERE k.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id AND b.succeeded_count IS NULL
     ) c ON true
     ORDER BY b.workflow_import_queue_batch_id DESC`,
    [
      selection.limit,
      id,
      beforeId,
      statuses,
      importProcessId,
      creationPaths,
      fileNamePart === undefined ? null : containing(fileNamePart),
      importProcessIds,
      selection.createdBy,
      selection.createdByAny,
      selection.createdFrom,
      selection.createdUntil,
    ],
  );
  return rows;
}

/** A pattern for LIKE that finds the text anywhere. */
function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/* import_queue_batch: which batch undoes which. */

/**
 * The undo of a batch `id` that is in effect, as an expression; null if there is none. An undo that was canceled or failed
 * does not count, and neither does one that was undone itself: the newest undo of each batch forms a chain, and every
 * second one counts from its end.
 */
function undoInEffect(id: string): string {
  return `(WITH RECURSIVE chain AS (
           SELECT ${id} AS id, 0 AS depth
            UNION ALL
           SELECT (SELECT max(u.workflow_import_queue_batch_id) FROM import_queue_batch u
                    WHERE u.undo_of = chain.id AND u.status NOT IN ('canceled', 'failed')), depth + 1
             FROM chain WHERE chain.id IS NOT NULL)
         SELECT CASE WHEN max(depth) % 2 = 1 THEN max(id) FILTER (WHERE depth = 1) END
           FROM chain WHERE chain.id IS NOT NULL)`;
}

/** The facts that decide whether a batch can be undone. */
export interface UndoableBatch {
  status: BatchStatus;
  expiredAt: Date | null;
  lastLineFirst: boolean;
  /** The undo of it that is in effect. */
  undoneBy: number | null;
}

/** Locks the batch, so that it is undone only once. */
export async function lockUndone(
  transaction: Transaction,
  batchId: number,
): Promise<(UndoableBatch & ReturnType<typeof mailAddresses>) | undefined> {
  await transaction.query(
    'SELECT FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 FOR NO KEY UPDATE',
    [batchId],
  );
  // A separate statement: only a statement that begins after the lock was taken sees the undo of the previous call.
  const { rows } = await transaction.query<UndoableBatch & ReturnType<typeof mailAddresses>>(
    `SELECT status, expired_at AS "expiredAt", last_line_first AS "lastLineFirst",
            send_success_email_to AS "sendSuccessEmailTo", send_failure_email_to AS "sendFailureEmailTo",
            ${undoInEffect('b.workflow_import_queue_batch_id')} AS "undoneBy"
       FROM import_queue_batch b WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return rows[0];
}

/** Those of these batches that can never be undone again, because their records have expired or the batch is gone. */
export async function selectExpiredOf(sql: Sql, batchIds: readonly number[]): Promise<number[]> {
  if (batchIds.length === 0) return [];
  const { rows } = await sql.query<{ id: number }>(
    `SELECT known.id FROM unnest($1::bigint[]) AS known (id)
      WHERE NOT EXISTS (SELECT FROM import_queue_batch b
                         WHERE b.workflow_import_queue_batch_id = known.id AND b.expired_at IS NULL)`,
    [batchIds],
  );
  return rows.map(({ id }) => id);
}
