import type { Sql } from '../platform/database/transaction.js';
import { RETRY_CREATION_PATH } from './batch-creation.js';
import type { BatchStatus, PauseReason } from './batch-state.js';

/** A batch as it is stored, with the sums over its chunks at the moment of the statement. */
export interface BatchRow {
  id: number;
  fileName: string;
  importProcessId: number;
  importProcessName: string;
  importProcessVersion: number;
  workflowVersion: number | null;
  creationPath: string;
  status: BatchStatus;
  failureReason: string | null;
  /** Why it is paused; `null` unless it is. */
  pauseReason: PauseReason | null;
  /** The fault behind the pause. */
  pauseDetail: string | null;
  /** Older batches that run or wait; only for one batch that was selected by its id and has not begun. */
  batchesAhead: number | null;
  retryOf: number | null;
  /** The child that sends the failed records again; `null` while there is none that was not canceled. */
  retriedBy: number | null;
  createdBy: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** When its retention ended; its records are no longer read. */
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
  /** The database's clock, so that rates do not depend on the clock of this process. */
  now: Date;
}

export const RATE_WINDOW_SECONDS = 15;

/** The batches to select; a condition that is left out selects all. */
export interface BatchSelection {
  id?: number;
  /** Only batches older than this one. */
  beforeId?: number;
  status?: BatchStatus;
  importProcessId?: number;
  /** Any of these. */
  creationPaths?: readonly string[];
  /** Anywhere in the file name, in any case. */
  fileNamePart?: string;
  /** Any of these: the import processes that the principal may use. */
  importProcessIds?: readonly number[] | null;
  /** Id of a principal. */
  createdBy?: string;
  limit: number;
}

/**
 * Batches newest first, each with its counts, in one statement and so from one snapshot: whatever commits meanwhile, the
 * total is the sum of the states. A finished batch carries its counts in its own row; only the chunks of unfinished
 * ones are added up, and only of those on the page. PostgreSQL plans the statement with its parameters, so that
 * conditions left out cost nothing.
 */
export async function selectBatches(sql: Sql, selection: BatchSelection): Promise<BatchRow[]> {
  const { id, beforeId, status, importProcessId, creationPaths, fileNamePart, importProcessIds } = selection;
  const { rows } = await sql.query<BatchRow>(
    `WITH page AS (
       SELECT * FROM import_queue_batch b
        WHERE ($2::bigint IS NULL OR b.workflow_import_queue_batch_id = $2)
          AND ($3::bigint IS NULL OR b.workflow_import_queue_batch_id < $3)
          AND ($4::text IS NULL OR b.status = $4)
          AND ($5::bigint IS NULL OR b.import_process_id = $5)
          AND ($6::text[] IS NULL OR b.creation_path = ANY ($6))
          AND ($7::text IS NULL OR b.file_name ILIKE $7)
          AND ($8::bigint[] IS NULL OR b.import_process_id = ANY ($8))
          AND ($9::text IS NULL OR b.created_by = $9)
       ORDER BY b.workflow_import_queue_batch_id DESC LIMIT $1
     )
     SELECT b.workflow_import_queue_batch_id AS "id", b.file_name AS "fileName",
       b.import_process_id AS "importProcessId", v.name AS "importProcessName",
       b.import_process_version AS "importProcessVersion", b.workflow_version AS "workflowVersion",
       b.creation_path AS "creationPath", b.status,
       b.failure_reason AS "failureReason", b.pause_reason AS "pauseReason", b.pause_detail AS "pauseDetail",
       CASE WHEN b.status = 'queued' AND $2::bigint IS NOT NULL THEN
         (SELECT count(*) FROM import_queue_batch ahead
           WHERE ahead.status IN ('queued', 'in_progress', 'canceling')
             AND ahead.workflow_import_queue_batch_id < b.workflow_import_queue_batch_id) END AS "batchesAhead",
       b.retry_of AS "retryOf",
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
      status,
      importProcessId,
      creationPaths,
      fileNamePart === undefined ? null : containing(fileNamePart),
      importProcessIds,
      selection.createdBy,
    ],
  );
  return rows;
}

/** A pattern for LIKE that finds the text anywhere. */
function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}
