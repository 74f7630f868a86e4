import { COPY_NULL, copyField, type CopyInput, rowsToCopy } from '../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import type {
  BehaviorKind,
  ClaimedMessage,
  DeliveryStatus,
  MailContent,
  MessageKey,
  MessageKind,
  NotificationKind,
  StoredBehavior,
  StoredNotification,
} from './message.js';
import type { LoggedAttempt } from './webhook-endpoint.js';

/*
 * The table `outbox`: mails and webhooks, from the transaction that causes them to their delivery (ADR 26).
 *
 *     pending ──claim──▶ sending ──accepted──────────▶ sent
 *        ▲                │ │ │ ▲
 *        │                │ │ └─┘ claim, once the claim of a silent worker has run out
 *        ├──try again─────┘ ├────refused for good────▶ failed
 *        │                  └────no mail server──────▶ not_sent_no_smtp
 *        │
 *        └──resend── sent, failed, not_sent_no_smtp, or pending: due now
 *
 * A behavior whose recipient is not an address is stored as failed.
 */

/** Has an expired claim, or is waiting and due. The index `outbox_due` matches these conditions. */
const IS_DUE = `status IN ('pending', 'sending') AND next_attempt_at <= now()
        AND (status = 'pending' OR locked_until < now())`;

/** The indexes `outbox_ended_*` match this condition. */
export const HAS_ENDED = `status IN ('sent', 'failed', 'not_sent_no_smtp')`;

const IS_BEHAVIOR = `kind IN ('behavior_mail', 'behavior_webhook')`;

export interface NewNotification {
  batchId: number;
  kind: NotificationKind;
  recipients: readonly string[];
}

/**
 * Stores the mails about a batch, one per recipient, once per batch and kind. Returns their ids, even if they were stored
 * before. The update changes nothing. It makes an existing row return its id, and makes a concurrent second insert wait
 * for the first.
 */
export async function insertBatchMails(
  transaction: Transaction,
  { batchId, kind, recipients }: NewNotification,
): Promise<number[]> {
  const { rows } = await transaction.query<{ id: number }>(
    `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient_number, recipient, status)
     SELECT 'batch_mail', $1, $2, number, recipient, 'pending'
       FROM unnest($3::text[]) WITH ORDINALITY AS recipients (recipient, number)
     ON CONFLICT (workflow_import_queue_batch_id, outcome, recipient_number)
       WHERE kind = 'batch_mail' AND outcome <> 'paused'
     DO UPDATE SET outcome = excluded.outcome
     RETURNING outbox_id AS id`,
    [batchId, kind, recipients],
  );
  if (rows.length !== recipients.length)
    throw new Error(`the ${kind} mails of batch ${batchId} were not stored`);
  return rows.map(({ id }) => id);
}

export interface NewAccountMail {
  /** Of the table `account_link`. */
  linkId: number;
  recipient: string;
}

/** Stores a mail about an account, without its text: the link in it exists only in the mail. Returns its id. */
export async function insertAccountMail(sql: Sql, { linkId, recipient }: NewAccountMail): Promise<number> {
  const { rows } = await sql.query<{ id: number }>(
    `INSERT INTO outbox (kind, account_link_id, recipient, status) VALUES ('account_mail', $1, $2, 'pending')
     RETURNING outbox_id AS id`,
    [linkId, recipient],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`the mail with link ${linkId} was not stored`);
  return row.id;
}

export interface BehaviorRow {
  instanceId: number;
  line: number;
  number: number;
  action: string;
  kind: BehaviorKind;
  /** An e-mail address, or the encrypted URL of a webhook. */
  recipient: string;
  /** Host and port of a webhook; else empty. */
  receiver: string;
  subject: string | null;
  textBody: string | null;
  htmlBody: string | null;
  jsonBody: string | null;
  secret: string | null;
  status: Extract<DeliveryStatus, 'pending' | 'failed'>;
  error: string | null;
}

const MESSAGE_KIND_OF: Readonly<Record<BehaviorKind, MessageKind>> = {
  sendEmail: 'behavior_mail',
  webhook: 'behavior_webhook',
};

export function behaviorsToInsert(
  batchId: number | null,
  behaviors: readonly BehaviorRow[],
): Promise<CopyInput> {
  return rowsToCopy(
    `outbox (workflow_instance_id, workflow_import_queue_batch_id, line_number, behavior_number, kind, action,
       recipient, receiver, subject, text_body, html_body, json_body, secret, status, last_error)`,
    behaviors,
    (row) =>
      [
        ...[row.instanceId, batchId, batchId === null ? null : row.line, row.number].map(numberField),
        ...[MESSAGE_KIND_OF[row.kind], row.action, row.recipient, row.receiver].map(copyField),
        ...[row.subject, row.textBody, row.htmlBody, row.jsonBody].map(copyField),
        ...[row.secret, row.status, row.error].map(copyField),
      ].join('\t'),
  );
}

function numberField(number: number | null): string {
  return number === null ? COPY_NULL : String(number);
}

/** What a webhook that an action causes holds encrypted. */
export interface SealedMessage {
  id: number;
  /** The URL. */
  recipient: string;
  secret: string | null;
}

/**
 * The next webhooks that actions caused and that hold a value without this prefix, by id. They are locked, so that the
 * change does not undo the erasure of a person.
 */
export async function selectWebhooksToSeal(
  transaction: Transaction,
  { after, limit, prefix }: { after: number; limit: number; prefix: string },
): Promise<SealedMessage[]> {
  const { rows } = await transaction.query<SealedMessage>(
    `SELECT outbox_id AS id, recipient, secret FROM outbox
      WHERE kind = 'behavior_webhook' AND outbox_id > $1
        AND NOT (starts_with(recipient, $3) AND coalesce(starts_with(secret, $3), true))
      ORDER BY outbox_id LIMIT $2 FOR NO KEY UPDATE`,
    [after, limit, prefix],
  );
  return rows;
}

/** Only the form of URL and secret changes, whatever the state of the message. */
export async function updateSealedMessages(
  transaction: Transaction,
  messages: readonly SealedMessage[],
): Promise<void> {
  if (messages.length === 0) return;
  await transaction.query(
    `UPDATE outbox SET recipient = sealed.recipient, secret = sealed.secret
       FROM unnest($1::bigint[], $2::text[], $3::text[]) AS sealed (id, recipient, secret)
      WHERE kind = 'behavior_webhook' AND outbox_id = sealed.id`,
    [
      messages.map(({ id }) => id),
      messages.map(({ recipient }) => recipient),
      messages.map(({ secret }) => secret),
    ],
  );
}

export interface DueMessage {
  id: number;
  attempts: number;
  resends: number;
}

/**
 * The due messages of each receiver, longest waiting first. The statement steps through the index from receiver to
 * receiver, not from row to row: a receiver with a million due messages is one step.
 */
export async function selectDueMessages(
  sql: Sql,
  kind: MessageKind,
  limitPerReceiver: number,
): Promise<DueMessage[]> {
  const { rows } = await sql.query<DueMessage>(
    `WITH RECURSIVE next AS (
       (SELECT receiver
          FROM outbox
         WHERE kind = $1 AND status IN ('pending', 'sending')
         ORDER BY receiver
         LIMIT 1)
       UNION ALL
       SELECT (SELECT receiver
                 FROM outbox
                WHERE kind = $1 AND status IN ('pending', 'sending') AND receiver > next.receiver
                ORDER BY receiver
                LIMIT 1)
         FROM next
        WHERE next.receiver IS NOT NULL
     )
     SELECT due.*
       FROM next
      CROSS JOIN LATERAL (
        SELECT outbox_id AS id, attempts, resends
          FROM outbox
         WHERE kind = $1 AND receiver = next.receiver AND ${IS_DUE}
         ORDER BY next_attempt_at
         LIMIT $2) due`,
    [kind, limitPerReceiver],
  );
  return rows;
}

/** Returns `undefined` if the message does not exist. */
export async function selectReceiver(sql: Sql, { kind, id }: MessageKey): Promise<string | undefined> {
  const { rows } = await sql.query<{ receiver: string }>(
    'SELECT receiver FROM outbox WHERE kind = $1 AND outbox_id = $2',
    [kind, id],
  );
  return rows[0]?.receiver;
}

/** Claims the message if it is due. Of several concurrent claims only one succeeds. */
export function claimMessage(
  sql: Sql,
  { kind, id }: MessageKey,
  claimMs: number,
): Promise<ClaimedMessage | undefined> {
  return claim(sql, `kind = $1 AND outbox_id = $2 AND ${IS_DUE}`, [kind, id], claimMs);
}

/** Claims the message to this receiver that has waited longest. Concurrent calls claim different messages. */
export function claimNextMessage(
  sql: Sql,
  kind: MessageKind,
  receiver: string,
  claimMs: number,
): Promise<ClaimedMessage | undefined> {
  const longestWaiting = `SELECT outbox_id FROM outbox
                           WHERE kind = $1 AND receiver = $2 AND ${IS_DUE}
                           ORDER BY next_attempt_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`;
  return claim(sql, `kind = $1 AND outbox_id = (${longestWaiting})`, [kind, receiver], claimMs);
}

async function claim(
  sql: Sql,
  condition: string,
  values: readonly [kind: MessageKind, value: number | string],
  claimMs: number,
): Promise<ClaimedMessage | undefined> {
  const { rows } = await sql.query<ClaimedMessage>(
    `UPDATE outbox
        SET status = 'sending', attempts = attempts + 1,
            locked_until = now() + make_interval(secs => $3 / 1000.0)
      WHERE ${condition}
     RETURNING kind, outbox_id AS id, workflow_import_queue_batch_id AS "batchId", outcome,
               account_link_id AS "accountLinkId", webhook_endpoint_id AS "webhookEndpointId", recipient, subject,
               text_body AS text, html_body AS html, json_body AS json, secret, attempts,
               attempts_before_resend AS "attemptsBeforeResend", resends, created_at AS "createdAt",
               (SELECT traceparent FROM import_queue_batch b
                 WHERE b.workflow_import_queue_batch_id = outbox.workflow_import_queue_batch_id) AS traceparent,
               (extract(epoch FROM now() - owed_at) * 1000)::float AS "owedForMs"`,
    [...values, claimMs],
  );
  return rows[0];
}

/** Identifies a claim. */
type Claim = MessageKey & Pick<ClaimedMessage, 'attempts'>;

/** Returns `false` if the claim is lost because another worker has taken over. */
export async function renewClaim(sql: Sql, { kind, id, attempts }: Claim, claimMs: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE outbox SET locked_until = now() + make_interval(secs => $4 / 1000.0)
      WHERE kind = $1 AND outbox_id = $2 AND attempts = $3 AND status = 'sending'`,
    [kind, id, attempts, claimMs],
  );
  return rowCount === 1;
}

export interface AttemptEnd {
  status: Exclude<DeliveryStatus, 'sending'>;
  error: string | null;
  /** The wait before the next attempt; for `pending` only. */
  retryInMs: number;
  /** The content that the attempt rendered, if it differs from the stored one. */
  content: MailContent | null;
  /** The request and its answer, for webhooks that keep a log. */
  logged: LoggedAttempt | null;
}

/** A log keeps this many attempts, the last ones. */
const LOGGED_ATTEMPTS = 20;

/** Writes the result of an attempt. Returns `false` if the claim was lost in the meantime. */
export async function endAttempt(
  sql: Sql,
  { kind, id, attempts }: Claim,
  { status, error, retryInMs, content, logged }: AttemptEnd,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE outbox
        SET status = $4, last_error = $5, locked_until = NULL,
            next_attempt_at = CASE WHEN $4 = 'pending' THEN now() + make_interval(secs => $6 / 1000.0)
                                   ELSE next_attempt_at END,
            sent_at = CASE WHEN $4 = 'sent' THEN now() ELSE sent_at END,
            ended_at = CASE WHEN $4 <> 'pending' THEN now() END,
            subject = coalesce($7, subject), text_body = coalesce($8, text_body),
            html_body = coalesce($9, html_body),
            attempt_log = CASE WHEN $10::jsonb IS NULL THEN attempt_log ELSE
              jsonb_path_query_array(coalesce(attempt_log, '[]'), '$[last - ${LOGGED_ATTEMPTS - 2} to last]') || $10 END
      WHERE kind = $1 AND outbox_id = $2 AND attempts = $3 AND status = 'sending'`,
    [
      ...[kind, id, attempts, status, error, retryInMs],
      ...[content?.subject ?? null, content?.text ?? null, content?.html ?? null],
      logged && JSON.stringify(logged),
    ],
  );
  return rowCount === 1;
}

/**
 * Makes a message due now. Returns `false` if it does not exist or is being sent, because the result of that attempt
 * must not be overwritten. `attempts` keeps counting because it is the fencing token; the back-off starts again.
 */
export async function resendMessage(
  sql: Sql,
  message: { kinds: readonly MessageKind[]; id: number; instanceId?: number },
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE outbox
        SET resends = resends + CASE WHEN status = 'pending' THEN 0 ELSE 1 END,
            status = 'pending', next_attempt_at = now(), last_error = NULL, attempts_before_resend = attempts,
            owed_at = now(), ended_at = NULL
      WHERE kind = ANY ($1) AND outbox_id = $2 AND ($3::bigint IS NULL OR workflow_instance_id = $3)
        AND status <> 'sending'`,
    [message.kinds, message.id, message.instanceId ?? null],
  );
  return rowCount === 1;
}

/** Like `resendMessage`, for a mail or webhook that an action on the instance caused. */
export function resendBehavior(sql: Sql, instanceId: number, id: number): Promise<boolean> {
  return resendMessage(sql, { kinds: Object.values(MESSAGE_KIND_OF), id, instanceId });
}

export const PROGRESS = `status, attempts, last_error AS "lastError", created_at AS "createdAt",
       CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt", sent_at AS "sentAt"`;

/** The mails about a batch, oldest first. */
export async function selectNotifications(sql: Sql, batchId: number): Promise<StoredNotification[]> {
  const { rows } = await sql.query<StoredNotification>(
    `SELECT outbox_id AS id, outcome AS kind, recipient, subject, text_body AS text, ${PROGRESS}
       FROM outbox
      WHERE workflow_import_queue_batch_id = $1 AND kind = 'batch_mail'
      ORDER BY outbox_id`,
    [batchId],
  );
  return rows;
}

/** The batch that a mail reports on; `undefined` if the mail does not exist. */
export async function selectBatchOfMail(sql: Sql, id: number): Promise<number | undefined> {
  const { rows } = await sql.query<{ batchId: number }>(
    `SELECT workflow_import_queue_batch_id AS "batchId" FROM outbox WHERE kind = 'batch_mail' AND outbox_id = $1`,
    [id],
  );
  return rows[0]?.batchId;
}

/** Counts the mails about batches of this key or user that were sent within the last hour, up to the limit. */
export async function countMailsOfLastHour(sql: Sql, createdBy: string, limit: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count
       FROM (SELECT FROM outbox o JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
              WHERE kind = 'batch_mail' AND sent_at > now() - interval '1 hour' AND b.created_by = $1
              LIMIT $2) sent`,
    [createdBy, limit],
  );
  return rows[0]?.count ?? 0;
}

const BEHAVIOR_COLUMNS = `outbox_id AS id, CASE kind WHEN 'behavior_mail' THEN 'sendEmail' ELSE 'webhook' END AS kind,
       action, workflow_import_queue_batch_id AS "batchId", line_number AS line, recipient, subject, ${PROGRESS}`;

/**
 * Whether a batch of one of the import processes caused the message. `null` accepts every message, also one without a
 * batch.
 */
const isOfProcesses = (ids: string): string =>
  `(${ids}::bigint[] IS NULL OR EXISTS (
      SELECT FROM import_queue_batch b
       WHERE b.workflow_import_queue_batch_id = outbox.workflow_import_queue_batch_id
         AND b.import_process_id = ANY (${ids})))`;

/** The mails and webhooks that actions on an instance caused, newest first. */
export async function selectBehaviors(
  sql: Sql,
  instanceId: number,
  limit: number,
  importProcessIds: readonly number[] | null = null,
): Promise<StoredBehavior[]> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${BEHAVIOR_COLUMNS} FROM outbox
      WHERE workflow_instance_id = $1 AND ${isOfProcesses('$3')} ORDER BY outbox_id DESC LIMIT $2`,
    [instanceId, limit, importProcessIds],
  );
  return rows;
}

export async function selectBehavior(
  sql: Sql,
  instanceId: number,
  id: number,
  importProcessIds: readonly number[] | null = null,
): Promise<StoredBehavior | undefined> {
  const { rows } = await sql.query<StoredBehavior>(
    `SELECT ${BEHAVIOR_COLUMNS} FROM outbox
      WHERE ${IS_BEHAVIOR} AND outbox_id = $2 AND workflow_instance_id = $1 AND ${isOfProcesses('$3')}`,
    [instanceId, id, importProcessIds],
  );
  return rows[0];
}

/** Deletes the ended mails and webhooks about a batch; those that are still to be sent stay. */
export async function deleteBatchMessages(sql: Sql, batchId: number): Promise<void> {
  await sql.query(
    `DELETE FROM outbox WHERE workflow_import_queue_batch_id = $1 AND kind = 'batch_mail' AND ${HAS_ENDED}`,
    [batchId],
  );
  await sql.query(
    `DELETE FROM outbox WHERE workflow_import_queue_batch_id = $1 AND kind = 'batch_webhook' AND ${HAS_ENDED}`,
    [batchId],
  );
}

/** Deletes the ended messages that records of a batch caused; the rest stays. Returns how many it deleted. */
export async function deleteBehaviorsOfBatch(sql: Sql, batchId: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM outbox
      WHERE (kind, outbox_id) IN (SELECT kind, outbox_id FROM outbox
                                   WHERE workflow_import_queue_batch_id = $1 AND workflow_instance_id IS NOT NULL
                                     AND ${HAS_ENDED}
                                   LIMIT $2)
        AND ${HAS_ENDED}`,
    [batchId, limit],
  );
  return rowCount;
}

/**
 * Deletes the messages that actions without a batch caused and that ended more than this many days ago. Returns how
 * many it deleted.
 */
export async function deleteBehaviorsOfNoBatch(sql: Sql, days: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM outbox
      WHERE (kind, outbox_id) IN (SELECT kind, outbox_id FROM outbox
                                   WHERE workflow_import_queue_batch_id IS NULL AND ${HAS_ENDED}
                                     AND coalesce(ended_at, sent_at, created_at) < now() - $1 * interval '1 day'
                                   ORDER BY coalesce(ended_at, sent_at, created_at)
                                   LIMIT $2)
        AND ${HAS_ENDED}`,
    [days, limit],
  );
  return rowCount;
}

/** A mail or webhook that a record of a batch caused and that was sent. */
export interface SentBehavior {
  line: number;
  kind: 'behavior_mail' | 'behavior_webhook';
  /** An e-mail address, or the host and port of a webhook: for many receivers the URL is a secret. */
  recipient: string;
  sentAt: Date;
}

/** The messages that the batch caused about these instances and that were sent. */
export async function selectSentBehaviors(
  sql: Sql,
  batchId: number,
  references: readonly string[],
): Promise<SentBehavior[]> {
  const { rows } = await sql.query<SentBehavior>(
    `SELECT line_number AS line, kind, CASE kind WHEN 'behavior_mail' THEN recipient ELSE receiver END AS recipient,
            sent_at AS "sentAt"
       FROM outbox
      WHERE workflow_instance_id IN (SELECT DISTINCT unnest($2::bigint[])) AND workflow_import_queue_batch_id = $1
        AND ${IS_BEHAVIOR} AND status = 'sent'
      ORDER BY outbox_id`,
    [batchId, references.filter((reference) => /^\d{1,15}$/.test(reference))],
  );
  return rows;
}

/** How many messages the records of the batch caused and that were sent. */
export async function countSentBehaviors(
  sql: Sql,
  batchId: number,
): Promise<{ mails: number; webhooks: number }> {
  const { rows } = await sql.query<{ mails: number; webhooks: number }>(
    `SELECT count(*) FILTER (WHERE kind = 'behavior_mail')::integer AS mails,
            count(*) FILTER (WHERE kind = 'behavior_webhook')::integer AS webhooks
       FROM outbox
      WHERE workflow_import_queue_batch_id = $1 AND workflow_instance_id IS NOT NULL AND ${HAS_ENDED}
        AND status = 'sent'`,
    [batchId],
  );
  return rows[0] ?? { mails: 0, webhooks: 0 };
}

/** Messages that are still to be sent. */
export interface Unsent {
  mails: number;
  webhooks: number;
  /** Hosts whose last webhook was not accepted, the host with the most webhooks first; at most 10. */
  silentHosts: string[];
}

export async function selectUnsent(sql: Sql): Promise<Unsent> {
  const { rows } = await sql.query<Unsent>(
    `WITH unsent AS (
       SELECT kind IN ('behavior_webhook', 'batch_webhook') AS is_webhook, receiver, count(*) AS messages,
              count(*) FILTER (WHERE last_error IS NOT NULL) AS refused
         FROM outbox
        WHERE status IN ('pending', 'sending')
          AND kind IN ('batch_mail', 'behavior_mail', 'account_mail', 'behavior_webhook', 'batch_webhook')
        GROUP BY 1, 2
     )
     SELECT coalesce(sum(messages) FILTER (WHERE NOT is_webhook), 0)::integer AS mails,
            coalesce(sum(messages) FILTER (WHERE is_webhook), 0)::integer AS webhooks,
            ARRAY(SELECT receiver FROM unsent WHERE is_webhook AND refused > 0 ORDER BY messages DESC LIMIT 10)
              AS "silentHosts"
       FROM unsent`,
  );
  return rows[0] ?? { mails: 0, webhooks: 0, silentHosts: [] };
}

/** What a message is about, without its address and text. */
export interface MessageSubject {
  id: number;
  kind: MessageKind;
  /** The outcome, event or action that it reports. */
  about: string | null;
  batchId: number | null;
  fileName: string | null;
}

/** Those of the messages that exist. */
export async function selectMessageSubjects(sql: Sql, ids: readonly number[]): Promise<MessageSubject[]> {
  const { rows } = await sql.query<MessageSubject>(
    `SELECT o.outbox_id AS id, o.kind, coalesce(o.outcome, o.event, o.action) AS about,
            o.workflow_import_queue_batch_id AS "batchId", b.file_name AS "fileName"
       FROM outbox o
       LEFT JOIN import_queue_batch b
         ON b.workflow_import_queue_batch_id = o.workflow_import_queue_batch_id
      WHERE o.kind IN ('batch_mail', 'behavior_mail', 'account_mail', 'behavior_webhook', 'batch_webhook')
        AND o.outbox_id = ANY ($1)`,
    [ids],
  );
  return rows;
}
