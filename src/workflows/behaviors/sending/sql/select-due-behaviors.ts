import type { Sql } from '../../../../database/transaction.js';
import { IS_DUE } from '../../../../notifications/sql/select-due-notifications.js';

export interface DueBehavior {
  id: number;
  attempts: number;
  resends: number;
}

/** Those that wait longest come first. */
export async function selectDueBehaviors(sql: Sql, limit: number): Promise<DueBehavior[]> {
  const { rows } = await sql.query<DueBehavior>(
    `SELECT behavior_id AS id, attempts, resends
       FROM behavior_outbox
      WHERE ${IS_DUE}
      ORDER BY next_attempt_at
      LIMIT $1`,
    [limit],
  );
  return rows;
}
