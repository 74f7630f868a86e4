import type { Sql } from '../../../../database/transaction.js';
import { IS_DUE } from '../../../../notifications/sql/select-due-notifications.js';
import type { BehaviorKind } from '../../../entities/behavior-outbox.entity.js';
import { WEBHOOK_HOST } from './webhook-host.js';

/**
 * A behavior that is ours to send, with all that is sent. `attempts` grows with every claim and so is its fencing
 * token: whatever is written under an older one is written nowhere.
 */
export interface ClaimedBehavior {
  id: number;
  batchId: number | null;
  kind: BehaviorKind;
  recipient: string;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
  jsonBody: string | null;
  secret: string | null;
  attempts: number;
  /** What the back-off does not count. */
  attemptsBeforeResend: number;
  resends: number;
  createdAt: Date;
}

/** Of any number that ask for the same mail at once, one is answered it: the others then find it claimed. */
export function claimMail(sql: Sql, id: number, claimMs: number): Promise<ClaimedBehavior | undefined> {
  return claim(sql, `behavior_id = $1 AND kind = 'sendEmail' AND ${IS_DUE}`, id, claimMs);
}

/** Claims the webhook to the host that waits longest. Those who ask at the same time are answered one each. */
export function claimWebhook(sql: Sql, host: string, claimMs: number): Promise<ClaimedBehavior | undefined> {
  const longestWaiting = `SELECT behavior_id FROM behavior_outbox
                           WHERE kind = 'webhook' AND ${WEBHOOK_HOST} = $1 AND ${IS_DUE}
                           ORDER BY next_attempt_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`;
  return claim(sql, `behavior_id = (${longestWaiting})`, host, claimMs);
}

async function claim(
  sql: Sql,
  condition: string,
  value: number | string,
  claimMs: number,
): Promise<ClaimedBehavior | undefined> {
  const { rows } = await sql.query<ClaimedBehavior>(
    `UPDATE behavior_outbox
        SET status = 'sending', attempts = attempts + 1,
            locked_until = now() + make_interval(secs => $2 / 1000.0)
      WHERE ${condition}
     RETURNING behavior_id AS id, workflow_import_queue_batch_id AS "batchId", kind, recipient, subject,
               text_body AS "textBody", html_body AS "htmlBody", json_body AS "jsonBody", secret, attempts,
               attempts_before_resend AS "attemptsBeforeResend", resends, created_at AS "createdAt"`,
    [value, claimMs],
  );
  return rows[0];
}

/** Answers whether the claim still holds; if not, somebody else took over. */
export async function renewClaim(
  sql: Sql,
  claim: Pick<ClaimedBehavior, 'id' | 'attempts'>,
  claimMs: number,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE behavior_outbox SET locked_until = now() + make_interval(secs => $3 / 1000.0)
      WHERE behavior_id = $1 AND attempts = $2 AND status = 'sending'`,
    [claim.id, claim.attempts, claimMs],
  );
  return rowCount === 1;
}
