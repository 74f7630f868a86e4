import type { Sql } from '../../database/transaction.js';
import { IDLE_HOURS, LONGEST_HOURS } from './session-cookie.js';

/** SQL: whether the session `s` has not ended by itself. */
export const LIVES = `s.created_at > now() - interval '${LONGEST_HOURS} hours'
  AND s.last_seen_at > now() - interval '${IDLE_HOURS} hours'`;

/** Deletes sessions that have ended by themselves. A step; ask again while it answers the limit. */
export async function deleteEndedSessions(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM user_session WHERE session_hash IN (
       SELECT s.session_hash FROM user_session s WHERE NOT (${LIVES}) LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount;
}
