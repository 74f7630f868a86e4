import type { Sql } from '../../database/transaction.js';

/** Signs a person out everywhere, or everywhere but in the session that is kept. Answers how many sessions ended. */
export async function endSessions(sql: Sql, userId: number, kept: Buffer | null = null): Promise<number> {
  const { rowCount } = await sql.query(
    'DELETE FROM user_session WHERE user_id = $1 AND session_hash IS DISTINCT FROM $2',
    [userId, kept],
  );
  return rowCount;
}
