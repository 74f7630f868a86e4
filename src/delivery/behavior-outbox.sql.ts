import { type CopyInput, rowsToCopy } from '../platform/database/copy-rows.js';
import { COPY_NULL, copyField } from '../platform/database/pg-text.js';
import type { Sql } from '../platform/database/transaction.js';
import type { BehaviorKind, DeliveryStatus, StoredBehavior } from './message.js';
import { IS_DUE } from './notifications.sql.js';

export interface BehaviorRow {
  instanceId: number;
  line: number;
  number: number;
  action: string;
  kind: BehaviorKind;
  recipient: string;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
  jsonBody: string | null;
  secret: string | null;
  status: Extract<DeliveryStatus, 'pending' | 'failed'>;
  error: string | null;
}

export function behaviorsToInsert(batchId: number | null, behaviors: readonly BehaviorRow[]): CopyInput {
  return rowsToCopy(
    `behavior_outbox (workflow_instance_id, workflow_import_queue_batch_id, line_number, behavior_number, action, kind,
       recipient, subject, text_body, html_body, json_body, secret, status, last_error)`,
    behaviors,
    (row) =>
      [
        ...[row.instanceId, batchId, batchId === null ? null : row.line, row.number].map(numberField),
        ...[row.action, row.kind, row.recipient, row.subject, row.textBody, row.htmlBody].map(copyField),
        ...[row.jsonBody, row.secret, row.status, row.error].map(copyField),
      ].join('\t'),
  );
}

function numberField(number: number | null): string {
  return number === null ? COPY_NULL : String(number);
}

/** Whom a webhook is for: host and port, as the URL has them; of a mail ''. In words the index knows. */
const WEBHOOK_HOST = `(CASE kind WHEN 'webhook'
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

/**
 * A behavior that is ours to send, with all that is sent. `attempts` grows with every claim and so is its fencing
 * token: whatever is written under an older one is written nowhere.
 */
export interface ClaimedBehavior {
  id: number;
  batchId: number | null;
  kind: BehaviorKind;
  recipient: string;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
  jsonBody: string | null;
  secret: string | null;
  attempts: number;
  /** What the back-off does not count. */
  attemptsBeforeResend: number;
  resends: number;
  createdAt: Date;
}

/** Of any number that ask for the same mail at once, one is answered it: the others then find it claimed. */
export function claimMail(sql: Sql, id: number, claimMs: number): Promise<ClaimedBehavior | undefined> {
  return claim(sql, `behavior_id = $1 AND kind = 'sendEmail' AND ${IS_DUE}`, id, claimMs);
}

/** Claims the webhook to the host that waits longest. Those who ask at the same time are answered one each. */
export function claimWebhook(sql: Sql, host: string, claimMs: number): Promise<ClaimedBehavior | undefined> {
  const longestWaiting = `SELECT behavior_id FROM behavior_outbox
                           WHERE kind = 'webhook' AND ${WEBHOOK_HOST} = $1 AND ${IS_DUE}
                           ORDER BY next_attempt_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`;
  return claim(sql, `behavior_id = (${longestWaiting})`, host, claimMs);
}

async function claim(
  sql: Sql,
  condition: string,
  value: number | string,
  claimMs: number,
): Promise<ClaimedBehavior | undefined> {
  const { rows } = await sql.query<ClaimedBehavior>(
    `UPDATE behavior_outbox
        SET status = 'sending', attempts = attempts + 1,
            locked_until = now() + make_interval(secs => $2 / 1000.0)
      WHERE ${condition}
     RETURNING behavior_id AS id, workflow_import_queue_batch_id AS "batchId", kind, recipient, subject,
               text_body AS "textBody", html_body AS "htmlBody", json_body AS "jsonBody", secret, attempts,
               attempts_before_resend AS "attemptsBeforeResend", resends, created_at AS "createdAt"`,
    [value, claimMs],
  );
  return rows[0];
}

/** Answers whether the claim still holds; if not, somebody else took over. */
export async function renewBehaviorClaim(
  sql: Sql,
  claim: Pick<ClaimedBehavior, 'id' | 'attempts'>,
  claimMs: number,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE behavior_outbox SET locked_until = now() + make_interval(secs => $3 / 1000.0)
      WHERE behavior_id = $1 AND attempts = $2 AND status = 'sending'`,
    [claim.id, claim.attempts, claimMs],
  );
  return rowCount === 1;
}

export interface BehaviorEnd {
  status: Exclude<DeliveryStatus, 'sending'>;
  error: string | null;
  /** When to try again; counts for `pending` only. */
  retryInMs: number;
}

/** Writes what became of an attempt. Answers `false` when the claim was lost meanwhile. */
export async function endBehaviorAttempt(
  sql: Sql,
  { id, attempts }: Pick<ClaimedBehavior, 'id' | 'attempts'>,
  { status, error, retryInMs }: BehaviorEnd,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE behavior_outbox
        SET status = $3, last_error = $4, locked_until = NULL,
            next_attempt_at = CASE WHEN $3 = 'pending' THEN now() + make_interval(secs => $5 / 1000.0)
                                   ELSE next_attempt_at END,
            sent_at = CASE WHEN $3 = 'sent' THEN now() ELSE sent_at END,
            ended_at = CASE WHEN $3 <> 'pending' THEN now() END
      WHERE behavior_id = $1 AND attempts = $2 AND status = 'sending'`,
    [id, attempts, status, error, retryInMs],
  );
  return rowCount === 1;
}

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

const STORED_COLUMNS = `behavior_id AS id, kind, action, workflow_import_queue_batch_id AS "batchId", line_number AS line,
       recipient, subject, status, attempts, last_error AS "lastError", created_at AS "createdAt",
       CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt", sent_at AS "sentAt"`;

/** Newest first. */
export async function selectBehaviors(
  sql: Sql,
  instanceId: number,
  limit: number,
): Promise<StoredBehavior[]> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${STORED_COLUMNS} FROM behavior_outbox WHERE workflow_instance_id = $1 ORDER BY behavior_id DESC LIMIT $2`,
    [instanceId, limit],
  );
  return rows;
}

export async function selectBehavior(
  sql: Sql,
  instanceId: number,
  id: number,
): Promise<StoredBehavior | undefined> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${STORED_COLUMNS} FROM behavior_outbox WHERE behavior_id = $2 AND workflow_instance_id = $1`,
    [instanceId, id],
  );
  return rows[0];
}
