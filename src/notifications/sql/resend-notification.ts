import type { Sql } from '../../database/transaction.js';

/**
 * Owes a mail again, or, where it only waits for its next attempt, now. Answers `false` where there is none, or where
 * it is being sent. `attempts` goes on counting: it is the fencing token of whoever sends.
 */
export async function resendNotification(sql: Sql, id: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE notification SET status = 'pending', next_attempt_at = now(), last_error = NULL
      WHERE notification_id = $1 AND status <> 'sending'`,
    [id],
  );
  return rowCount === 1;
}
