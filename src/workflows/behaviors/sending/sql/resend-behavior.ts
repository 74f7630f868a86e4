import type { Sql } from '../../../../database/transaction.js';

/**
 * Owes a behavior again, or, where it only waits for its next attempt, now. Answers `false` where there is none, or
 * where it is being sent: what that comes to is not to be overwritten. `attempts` goes on counting, as the fencing token
 * of whoever sends; the back-off begins anew.
 */
export async function resendBehavior(sql: Sql, instanceId: number, id: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE behavior_outbox
        SET resends = resends + CASE WHEN status = 'pending' THEN 0 ELSE 1 END,
            status = 'pending', next_attempt_at = now(), last_error = NULL, attempts_before_resend = attempts,
            ended_at = NULL
      WHERE behavior_id = $2 AND workflow_instance_id = $1 AND status <> 'sending'`,
    [instanceId, id],
  );
  return rowCount === 1;
}
