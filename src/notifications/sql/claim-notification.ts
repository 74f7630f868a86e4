import type { Sql } from '../../database/transaction.js';
import type { NotificationKind } from '../entities/notification.entity.js';
import { IS_DUE } from './select-due-notifications.js';

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
export async function renewClaim(
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
