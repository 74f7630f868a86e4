import type { Sql } from '../../../../database/transaction.js';
import { IS_DUE } from '../../../../notifications/sql/select-due-notifications.js';
import { WEBHOOK_HOST } from './webhook-host.js';

export interface DueBehavior {
  id: number;
  attempts: number;
  resends: number;
}

/** Those that wait longest come first. */
export async function selectDueMails(sql: Sql, limit: number): Promise<DueBehavior[]> {
  const { rows } = await sql.query<DueBehavior>(
    `SELECT behavior_id AS id, attempts, resends
       FROM behavior_outbox
      WHERE kind = 'sendEmail' AND ${WEBHOOK_HOST} = '' AND ${IS_DUE}
      ORDER BY next_attempt_at
      LIMIT $1`,
    [limit],
  );
  return rows;
}

/** Of each host those that wait longest. Goes from host to host in the index, not from row to row. */
export async function selectDueWebhooks(sql: Sql, limitPerHost: number): Promise<DueBehavior[]> {
  const { rows } = await sql.query<DueBehavior>(
    `WITH RECURSIVE receiver AS (
       (SELECT ${WEBHOOK_HOST} AS host
          FROM behavior_outbox
         WHERE kind = 'webhook' AND status IN ('pending', 'sending')
         ORDER BY ${WEBHOOK_HOST}
         LIMIT 1)
       UNION ALL
       SELECT (SELECT ${WEBHOOK_HOST}
                 FROM behavior_outbox
                WHERE kind = 'webhook' AND status IN ('pending', 'sending') AND ${WEBHOOK_HOST} > receiver.host
                ORDER BY ${WEBHOOK_HOST}
                LIMIT 1)
         FROM receiver
        WHERE receiver.host IS NOT NULL
     )
     SELECT due.*
       FROM receiver
      CROSS JOIN LATERAL (
        SELECT behavior_id AS id, attempts, resends
          FROM behavior_outbox
         WHERE kind = 'webhook' AND ${WEBHOOK_HOST} = receiver.host AND ${IS_DUE}
         ORDER BY next_attempt_at
         LIMIT $1) due`,
    [limitPerHost],
  );
  return rows;
}
