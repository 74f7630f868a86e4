import type { Sql } from '../../../../database/transaction.js';

/** Whom a webhook is for: host and port, as the URL has them; of a mail ''. In words the index knows. */
export const WEBHOOK_HOST = `(CASE kind WHEN 'webhook'
       THEN left(lower(coalesce(substring(recipient FROM '^[^:]*:[/\\\\]*([^/\\\\?#]*)'), '')), 255)
       ELSE '' END)`;

/** `undefined` when it is no webhook, or gone. */
export async function selectWebhookHost(sql: Sql, behaviorId: number): Promise<string | undefined> {
  const { rows } = await sql.query<{ host: string }>(
    `SELECT ${WEBHOOK_HOST} AS host FROM behavior_outbox WHERE behavior_id = $1 AND kind = 'webhook'`,
    [behaviorId],
  );
  return rows[0]?.host;
}
