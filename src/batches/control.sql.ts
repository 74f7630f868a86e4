import type { Sql, Transaction } from '../platform/database/database.service.js';
import {
  type BatchControl,
  CONTROL_NAMES,
  EXPIRED,
  NO_CONTROL,
  type PauseReason,
  PROCESSABLE,
  wishesOf,
} from './batch-state.js';

/*
 * import_queue_batch_control: how a batch is to be run, for batches that are not simply run as soon as possible. One row or
 * none; it is inserted with the batch, and changed when an upload is confirmed and when the batch pauses.
 */

/** Whether a batch is not simply run as soon as possible. */
export function hasWishes(control: BatchControl): boolean {
  return CONTROL_NAMES.some((name) => control[name] !== NO_CONTROL[name]);
}

/** Stores the control of a new batch. A batch without any wish needs no row. */
export async function insertControl(sql: Sql, batchId: number, control: BatchControl): Promise<void> {
  if (hasWishes(control)) await writeControl(sql, batchId, control);
}

/** Changes the control of an upload that is being confirmed; what the call does not name stays. */
export async function changeControl(
  transaction: Transaction,
  batchId: number,
  asked: Partial<BatchControl>,
): Promise<void> {
  const changes = wishesOf(asked);
  if (Object.keys(changes).length === 0) return;
  const stored = await selectControl(transaction, batchId);
  await writeControl(transaction, batchId, { ...(stored ?? NO_CONTROL), ...changes });
}

/** `null` if the batch is simply run as soon as possible. */
export async function selectControl(sql: Sql, batchId: number): Promise<BatchControl | null> {
  const { rows } = await sql.query<BatchControl>(
    `SELECT priority, max_failed AS "maxFailed", max_failed_percent AS "maxFailedPercent",
            not_before AS "notBefore", expires_at AS "expiresAt", canary, mute_behaviors AS "muteBehaviors"
       FROM import_queue_batch_control WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return rows[0] ?? null;
}

async function writeControl(sql: Sql, batchId: number, control: BatchControl): Promise<void> {
  await sql.query(
    `INSERT INTO import_queue_batch_control (workflow_import_queue_batch_id, priority, max_failed,
       max_failed_percent, not_before, expires_at, canary, mute_behaviors)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (workflow_import_queue_batch_id) DO UPDATE
       SET priority = excluded.priority, max_failed = excluded.max_failed,
           max_failed_percent = excluded.max_failed_percent, not_before = excluded.not_before,
           expires_at = excluded.expires_at, canary = excluded.canary, mute_behaviors = excluded.mute_behaviors`,
    [
      batchId,
      control.priority,
      control.maxFailed,
      control.maxFailedPercent,
      control.notBefore,
      control.expiresAt,
      control.canary,
      control.muteBehaviors,
    ],
  );
}

/**
 * Notes the last line of the canary, when the records of the batch are final. A batch that has fewer valid records than
 * its canary runs to its end.
 */
export async function markCanary(sql: Sql, batchId: number): Promise<void> {
  await sql.query(
    `UPDATE import_queue_batch_control control
        SET canary_line = (SELECT line_number FROM import_queue_line line
                            WHERE line.workflow_import_queue_batch_id = $1 AND line.status = 'pending'
                            ORDER BY line_number OFFSET control.canary - 1 LIMIT 1)
      WHERE workflow_import_queue_batch_id = $1 AND canary IS NOT NULL`,
    [batchId],
  );
}

/** How many times the usual window the largest one is. */
export const LARGEST_SHARE = 4;

/**
 * The number of chunks of a batch `b` with the control `control` (or none) and the version `v` that may be queued at a
 * time. The chunks of all batches take turns, so the window of a batch is its share: a high priority has four times the
 * share of a normal one. A low priority has one chunk while a batch of a higher priority runs, so it is never stopped.
 * Why: ADR 32.
 * @param usual the parameter with the window of a normal batch
 */
export function windowOf(usual: string): string {
  return `CASE WHEN v.ordered THEN 1
               WHEN control.priority = 'high' THEN ${LARGEST_SHARE} * ${usual}::integer
               WHEN control.priority = 'low' AND EXISTS (
                 SELECT FROM import_queue_batch other
                   LEFT JOIN import_queue_batch_control its
                     ON its.workflow_import_queue_batch_id = other.workflow_import_queue_batch_id
                  WHERE other.status IN ('queued', 'in_progress')
                    AND other.workflow_import_queue_batch_id <> b.workflow_import_queue_batch_id
                    AND coalesce(its.priority, 'normal') <> 'low'
                    AND (its.not_before IS NULL OR its.not_before <= now())) THEN 1
               ELSE ${usual}::integer END`;
}

/** Whether chunks of a batch `b` with the control `control` may start; those of a batch that is being ended always may. */
export const MAY_START = `(b.status = 'canceling' OR b.failure_reason IS NOT NULL OR control.not_before IS NULL
          OR control.not_before <= now())`;

/** A reason to pause a batch that runs, as its control says. */
export interface DuePause {
  reason: Extract<PauseReason, 'canary' | 'error_budget'>;
  detail: string;
}

/**
 * The pause that the control of a locked, running batch asks for now; `null` if there is none. Adds up the chunks of the
 * batch, so call it only for batches that have a control. What it answers is remembered: the same canary and the same
 * failures do not pause the batch again.
 */
export async function takeDuePause(transaction: Transaction, batchId: number): Promise<DuePause | null> {
  const { rows } = await transaction.query<{
    canary: number | null;
    canaryDone: boolean;
    failed: number;
    forgiven: number;
    total: number;
    maxFailed: number | null;
    maxFailedPercent: number | null;
  }>(
    `SELECT control.canary, control.forgiven_count AS forgiven, control.max_failed AS "maxFailed",
            control.max_failed_percent AS "maxFailedPercent", b.total_count AS total, sums.failed,
            control.canary_line IS NOT NULL AND NOT EXISTS (
              SELECT FROM import_queue_chunk c
               WHERE c.workflow_import_queue_batch_id = $1 AND c.state <> 'done'
                 AND c.first_line <= control.canary_line
                 AND NOT (c.state = 'pending' AND c.last_line > control.canary_line
                          AND c.succeeded_count + c.failed_count + c.skipped_count > 0)) AS "canaryDone"
       FROM import_queue_batch_control control
       JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(failed_count + unknown_count + invalid_count), 0)::integer AS failed
          FROM import_queue_chunk c WHERE c.workflow_import_queue_batch_id = $1) sums
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  const [run] = rows;
  if (run === undefined) return null;
  const { canary, canaryDone, failed, forgiven, total, maxFailed, maxFailedPercent } = run;
  const allowed = Math.min(maxFailed ?? Infinity, ((maxFailedPercent ?? Infinity) / 100) * total);
  if (failed - forgiven > allowed) {
    await transaction.query(
      `UPDATE import_queue_batch_control SET forgiven_count = $2 WHERE workflow_import_queue_batch_id = $1`,
      [batchId, failed],
    );
    const limit = Math.floor(allowed);
    const again = forgiven > 0 ? `, ${failed - forgiven} of them since it was resumed` : '';
    return {
      reason: 'error_budget',
      detail: `${failed} of ${total} records failed or are invalid${again}; the error budget is ${limit}`,
    };
  }
  if (!canaryDone) return null;
  await transaction.query(
    `UPDATE import_queue_batch_control SET canary_line = NULL WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return { reason: 'canary', detail: `the first ${canary} valid records were processed` };
}

/** Batches whose time is over and whose records still wait, at most `limit`. */
export async function selectExpiring(sql: Sql, limit: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT workflow_import_queue_batch_id AS id
       FROM import_queue_batch_control JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      WHERE expires_at <= now() AND b.failure_reason IS NULL
        AND b.status IN (${PROCESSABLE.map((status) => `'${status}'`).join(', ')})
      ORDER BY expires_at LIMIT $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

/** Ends a locked batch as expired: its remaining records will be canceled, chunk by chunk. */
export async function markExpired(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_batch SET failure_reason = '${EXPIRED}'
      WHERE workflow_import_queue_batch_id = $1 AND failure_reason IS NULL`,
    [batchId],
  );
}
