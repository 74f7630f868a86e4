import type { Sql } from '../../database/transaction.js';

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
