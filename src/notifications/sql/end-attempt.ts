import type { Sql } from '../../database/transaction.js';
import type { NotificationStatus } from '../entities/notification.entity.js';
import type { RenderedMail } from '../mail-renderer.js';
import type { ClaimedNotification } from './claim-notification.js';

export interface AttemptEnd {
  status: Exclude<NotificationStatus, 'sending'>;
  /** `null` when it could not even be rendered. */
  mail: RenderedMail | null;
  error: string | null;
  /** When to try again; counts for `pending` only. */
  retryInMs: number;
}

/** Writes what became of an attempt, with the mail itself. Answers `false` when the claim was lost meanwhile. */
export async function endAttempt(
  sql: Sql,
  claim: Pick<ClaimedNotification, 'id' | 'attempts'>,
  end: AttemptEnd,
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
