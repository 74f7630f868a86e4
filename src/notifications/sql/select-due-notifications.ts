import type { Sql } from '../../database/transaction.js';

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
