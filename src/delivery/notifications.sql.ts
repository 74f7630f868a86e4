import type { Sql, Transaction } from '../platform/database/transaction.js';
import type { OutgoingMail } from './mailer.js';
import type { DeliveryStatus, NotificationKind, StoredNotification } from './message.js';

export interface DueNotification {
  id: number;
  attempts: number;
}

/** May be claimed now: its time has come, or whoever was sending it has fallen silent. In words the index knows. */
export const IS_DUE = `status IN ('pending', 'sending') AND next_attempt_at <= now()
        AND (status = 'pending' OR locked_until < now())`;

/** Those that wait longest come first. */
export async function selectDueNotifications(sql: Sql, limit: number): Promise<DueNotification[]> {
  const { rows } = await sql.query<DueNotification>(
    `SELECT notification_id AS id, attempts
       FROM notification
      WHERE ${IS_DUE}
      ORDER BY next_attempt_at
      LIMIT $1`,
    [limit],
  );
  return rows;
}

export interface NewNotification {
  batchId: number;
  kind: NotificationKind;
  recipient: string;
}

/**
 * Owes the mail, once per batch and kind whoever asks how often; answers the id of the one there is. The update
 * that changes nothing is what makes an existing row answer, and makes a concurrent second insert wait for the first.
 */
export async function insertNotification(
  transaction: Transaction,
  { batchId, kind, recipient }: NewNotification,
): Promise<number> {
  const { rows } = await transaction.query<{ id: number }>(
    `INSERT INTO notification (workflow_import_queue_batch_id, kind, recipient, status)
     VALUES ($1, $2, $3, 'pending')
     ON CONFLICT (workflow_import_queue_batch_id, kind) DO UPDATE SET kind = excluded.kind
     RETURNING notification_id AS id`,
    [batchId, kind, recipient],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`the ${kind} notification of batch ${batchId} was not stored`);
  return row.id;
}

/**
 * A mail that is ours to send. `attempts` grows with every claim and so is its fencing token: whatever is written
 * under an older one is written nowhere.
 */
export interface ClaimedNotification {
  id: number;
  batchId: number;
  kind: NotificationKind;
  recipient: string;
  attempts: number;
  /** What the back-off does not count. */
  attemptsBeforeResend: number;
  createdAt: Date;
}

/** Of any number that ask for the same mail at once, one is answered it: the others then find it claimed. */
export async function claimNotification(
  sql: Sql,
  id: number,
  claimMs: number,
): Promise<ClaimedNotification | undefined> {
  const { rows } = await sql.query<ClaimedNotification>(
    `UPDATE notification
        SET status = 'sending', attempts = attempts + 1,
            locked_until = now() + make_interval(secs => $2 / 1000.0)
      WHERE notification_id = $1 AND ${IS_DUE}
     RETURNING notification_id AS id, workflow_import_queue_batch_id AS "batchId", kind, recipient, attempts,
               attempts_before_resend AS "attemptsBeforeResend", created_at AS "createdAt"`,
    [id, claimMs],
  );
  return rows[0];
}

/** Answers whether the claim still holds; if not, somebody else took over. */
export async function renewNotificationClaim(
  sql: Sql,
  claim: Pick<ClaimedNotification, 'id' | 'attempts'>,
  claimMs: number,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE notification SET locked_until = now() + make_interval(secs => $3 / 1000.0)
      WHERE notification_id = $1 AND attempts = $2 AND status = 'sending'`,
    [claim.id, claim.attempts, claimMs],
  );
  return rowCount === 1;
}

export interface NotificationEnd {
  status: Exclude<DeliveryStatus, 'sending'>;
  /** `null` when it could not even be rendered. */
  mail: Pick<OutgoingMail, 'subject' | 'text' | 'html'> | null;
  error: string | null;
  /** When to try again; counts for `pending` only. */
  retryInMs: number;
}

/** Writes what became of an attempt, with the mail itself. Answers `false` when the claim was lost meanwhile. */
export async function endNotificationAttempt(
  sql: Sql,
  claim: Pick<ClaimedNotification, 'id' | 'attempts'>,
  end: NotificationEnd,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE notification
        SET status = $3, last_error = $4, locked_until = NULL,
            subject = coalesce($5, subject), text_body = coalesce($6, text_body),
            html_body = coalesce($7, html_body),
            next_attempt_at = CASE WHEN $3 = 'pending' THEN now() + make_interval(secs => $8 / 1000.0)
                                   ELSE next_attempt_at END,
            sent_at = CASE WHEN $3 = 'sent' THEN now() END
      WHERE notification_id = $1 AND attempts = $2 AND status = 'sending'`,
    [
      claim.id,
      claim.attempts,
      end.status,
      end.error,
      end.mail?.subject ?? null,
      end.mail?.text ?? null,
      end.mail?.html ?? null,
      end.retryInMs,
    ],
  );
  return rowCount === 1;
}

/**
 * Owes a mail again, or, where it only waits for its next attempt, now. Answers `false` where there is none, or where
 * it is being sent. `attempts` goes on counting, as the fencing token of whoever sends; the back-off begins anew.
 */
export async function resendNotification(sql: Sql, id: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE notification
        SET status = 'pending', next_attempt_at = now(), last_error = NULL, attempts_before_resend = attempts
      WHERE notification_id = $1 AND status <> 'sending'`,
    [id],
  );
  return rowCount === 1;
}

export async function selectNotifications(sql: Sql, batchId: number): Promise<StoredNotification[]> {
  const { rows } = await sql.query<StoredNotification>(
    `SELECT notification_id AS id, kind, recipient, status, subject, text_body AS text, attempts,
            last_error AS "lastError", created_at AS "createdAt",
            CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt", sent_at AS "sentAt"
       FROM notification
      WHERE workflow_import_queue_batch_id = $1
      ORDER BY notification_id`,
    [batchId],
  );
  return rows;
}
