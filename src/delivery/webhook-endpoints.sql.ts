import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { DeliveryStatus } from './message.js';
import { PROGRESS } from './outbox.sql.js';
import type { DisabledReason, EndpointFormat, EndpointStatus, LoggedAttempt } from './webhook-endpoint.js';

/*
 * The table `webhook_endpoint`, and the webhooks about batches in the table `outbox`.
 *
 *     active ◄──by hand──► disabled (manual)
 *        └──answers 410──► disabled (gone) ──by hand──► active
 */

/** What a person or program decides about an endpoint. */
export interface EndpointSettings {
  /** Encrypted. */
  url: string;
  receiver: string;
  description: string;
  format: EndpointFormat;
  events: readonly string[];
  importProcessIds: readonly number[] | null;
}

export interface EndpointRow extends EndpointSettings {
  id: number;
  status: EndpointStatus;
  disabledReason: DisabledReason | null;
  disabledAt: Date | null;
  /** When the previous secret stops signing; `null` if only one secret signs. */
  previousSecretUntil: Date | null;
  createdBy: string;
  createdAt: Date;
  /** Deliveries that failed for good. */
  failedDeliveries: number;
}

const COLUMNS = `e.webhook_endpoint_id AS id, e.url, e.receiver, e.description, e.format, e.events,
       e.import_process_ids AS "importProcessIds", e.status, e.disabled_reason AS "disabledReason",
       e.disabled_at AS "disabledAt", e.created_by AS "createdBy", e.created_at AS "createdAt",
       CASE WHEN e.previous_secret_until > now() THEN e.previous_secret_until END AS "previousSecretUntil",
       (SELECT count(*)::integer FROM outbox o
         WHERE o.webhook_endpoint_id = e.webhook_endpoint_id AND o.status = 'failed') AS "failedDeliveries"`;

/** Oldest first. */
export async function selectEndpoints(sql: Sql): Promise<EndpointRow[]> {
  const { rows } = await sql.query<EndpointRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoint e ORDER BY e.webhook_endpoint_id`,
  );
  return rows;
}

export async function selectEndpoint(sql: Sql, id: number): Promise<EndpointRow | undefined> {
  const { rows } = await sql.query<EndpointRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoint e WHERE e.webhook_endpoint_id = $1`,
    [id],
  );
  return rows[0];
}

/** Stores an endpoint unless there are as many as the limit allows. Returns its id. */
export async function insertEndpoint(
  transaction: Transaction,
  settings: EndpointSettings,
  { secret, createdBy, most }: { secret: string; createdBy: string; most: number },
): Promise<number | undefined> {
  const { rows } = await transaction.query<{ id: number }>(
    `INSERT INTO webhook_endpoint (url, receiver, description, format, events, import_process_ids, status, secret,
                                   created_by)
     SELECT $1, $2, $3, $4, $5::text[], $6::bigint[], 'active', $7, $8
      WHERE (SELECT count(*) FROM webhook_endpoint) < $9
     RETURNING webhook_endpoint_id AS id`,
    [...settingsOf(settings), secret, createdBy, most],
  );
  return rows[0]?.id;
}

/** Webhooks that still wait follow the endpoint to its new URL. */
export async function updateEndpoint(
  transaction: Transaction,
  id: number,
  settings: EndpointSettings,
): Promise<void> {
  await transaction.query(
    `WITH moved AS (
       UPDATE outbox SET receiver = $2, recipient = $2
        WHERE webhook_endpoint_id = $7 AND status IN ('pending', 'sending') AND receiver <> $2
     )
     UPDATE webhook_endpoint
        SET url = $1, receiver = $2, description = $3, format = $4, events = $5::text[],
            import_process_ids = $6::bigint[]
      WHERE webhook_endpoint_id = $7`,
    [...settingsOf(settings), id],
  );
}

function settingsOf(settings: EndpointSettings): unknown[] {
  const { url, receiver, description, format, events, importProcessIds } = settings;
  return [url, receiver, description, format, events, importProcessIds];
}

/** Returns `false` if the endpoint does not exist or has that status already. */
export async function setEndpointStatus(
  sql: Sql,
  id: number,
  status: EndpointStatus,
  reason: DisabledReason | null,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE webhook_endpoint
        SET status = $2, disabled_reason = $3, disabled_at = CASE WHEN $2 = 'disabled' THEN now() END
      WHERE webhook_endpoint_id = $1 AND status <> $2`,
    [id, status, reason],
  );
  return rowCount === 1;
}

/** The new secret signs from now on, and the present one as well for some hours. Returns whether the endpoint exists. */
export async function rotateSecret(sql: Sql, id: number, secret: string, hours: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE webhook_endpoint
        SET previous_secret = secret, previous_secret_until = now() + $3 * interval '1 hour', secret = $2
      WHERE webhook_endpoint_id = $1`,
    [id, secret, hours],
  );
  return rowCount === 1;
}

/** Deletes the endpoint and its deliveries. Returns the host of the endpoint; `undefined` if it does not exist. */
export async function deleteEndpoint(sql: Sql, id: number): Promise<string | undefined> {
  const { rows } = await sql.query<{ receiver: string }>(
    'DELETE FROM webhook_endpoint WHERE webhook_endpoint_id = $1 RETURNING receiver',
    [id],
  );
  return rows[0]?.receiver;
}

/** What the sender of a webhook needs to know. */
export interface EndpointTarget {
  /** Encrypted, like the secrets. */
  url: string;
  format: EndpointFormat;
  status: EndpointStatus;
  /** The present secret first. */
  secrets: string[];
  event: string;
}

/** The endpoint of a delivery, and its event. */
export async function selectEndpointTarget(
  sql: Sql,
  deliveryId: number,
): Promise<EndpointTarget | undefined> {
  const { rows } = await sql.query<EndpointTarget>(
    `SELECT e.url, e.format, e.status, o.event,
            CASE WHEN e.previous_secret_until > now() THEN ARRAY[e.secret, e.previous_secret]
                 ELSE ARRAY[e.secret] END AS secrets
       FROM outbox o JOIN webhook_endpoint e USING (webhook_endpoint_id)
      WHERE o.kind = 'batch_webhook' AND o.outbox_id = $1`,
    [deliveryId],
  );
  return rows[0];
}

export interface SealedEndpoint {
  id: number;
  url: string;
  secret: string;
  previousSecret: string | null;
}

/** Locks all endpoints, to encrypt what they hold with another key. */
export async function lockEndpoints(transaction: Transaction): Promise<SealedEndpoint[]> {
  const { rows } = await transaction.query<SealedEndpoint>(
    `SELECT webhook_endpoint_id AS id, url, secret, previous_secret AS "previousSecret"
       FROM webhook_endpoint ORDER BY webhook_endpoint_id FOR NO KEY UPDATE`,
  );
  return rows;
}

export async function updateSealed(sql: Sql, sealed: SealedEndpoint): Promise<void> {
  await sql.query(
    'UPDATE webhook_endpoint SET url = $2, secret = $3, previous_secret = $4 WHERE webhook_endpoint_id = $1',
    [sealed.id, sealed.url, sealed.secret, sealed.previousSecret],
  );
}

/** A webhook about a batch, with the progress of its delivery. */
export interface DeliveryRow {
  id: number;
  event: string;
  batchId: number | null;
  status: DeliveryStatus;
  attempts: number;
  resends: number;
  lastError: string | null;
  createdAt: Date;
  nextAttemptAt: Date | null;
  sentAt: Date | null;
  log: LoggedAttempt[];
}

const DELIVERY = `outbox_id AS id, event, workflow_import_queue_batch_id AS "batchId", resends, ${PROGRESS},
       coalesce(attempt_log, '[]') AS log`;

/** Newest first. */
export async function selectDeliveries(
  sql: Sql,
  endpointId: number,
  {
    status,
    before,
    limit,
  }: { status?: DeliveryStatus | undefined; before?: number | undefined; limit: number },
): Promise<DeliveryRow[]> {
  const { rows } = await sql.query<DeliveryRow>(
    `SELECT ${DELIVERY} FROM outbox
      WHERE webhook_endpoint_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::bigint IS NULL OR outbox_id < $3)
      ORDER BY outbox_id DESC LIMIT $4`,
    [endpointId, status, before, limit],
  );
  return rows;
}

export async function selectDelivery(
  sql: Sql,
  endpointId: number,
  id: number,
): Promise<DeliveryRow | undefined> {
  const { rows } = await sql.query<DeliveryRow>(
    `SELECT ${DELIVERY} FROM outbox WHERE kind = 'batch_webhook' AND webhook_endpoint_id = $1 AND outbox_id = $2`,
    [endpointId, id],
  );
  return rows[0];
}

/** A webhook about a batch, for people who may see the batch but not the URL. */
export interface BatchDelivery {
  endpointId: number;
  /** Host and port. */
  receiver: string;
  event: string;
  status: DeliveryStatus;
  lastError: string | null;
}

/** Oldest first. */
export async function selectDeliveriesOfBatch(
  sql: Sql,
  batchId: number,
  limit: number,
): Promise<BatchDelivery[]> {
  const { rows } = await sql.query<BatchDelivery>(
    `SELECT webhook_endpoint_id AS "endpointId", receiver, event, status, last_error AS "lastError" FROM outbox
      WHERE workflow_import_queue_batch_id = $1 AND kind = 'batch_webhook' ORDER BY outbox_id LIMIT $2`,
    [batchId, limit],
  );
  return rows;
}

/** Stores a webhook that only tests the endpoint, if the endpoint is active. Returns its id. */
export async function insertTestDelivery(
  sql: Sql,
  endpointId: number,
  event: string,
): Promise<number | undefined> {
  const { rows } = await sql.query<{ id: number }>(
    `INSERT INTO outbox (kind, webhook_endpoint_id, event, recipient, receiver, json_body, status)
     SELECT 'batch_webhook', webhook_endpoint_id, $2, receiver, receiver,
            json_build_object('endpointId', webhook_endpoint_id), 'pending'
       FROM webhook_endpoint WHERE webhook_endpoint_id = $1 AND status = 'active'
     RETURNING outbox_id AS id`,
    [endpointId, event],
  );
  return rows[0]?.id;
}

/**
 * Makes all deliveries of the endpoint due now whose last attempt failed at or after this time, whether they were given
 * up or still wait for their next attempt. Returns how many.
 */
export async function resendFailedDeliveries(sql: Sql, endpointId: number, since: Date): Promise<number> {
  const { rowCount } = await sql.query(
    `UPDATE outbox
        SET resends = resends + CASE WHEN status = 'pending' THEN 0 ELSE 1 END,
            status = 'pending', next_attempt_at = now(), last_error = NULL, attempts_before_resend = attempts,
            owed_at = now(), ended_at = NULL
      WHERE webhook_endpoint_id = $1 AND (status = 'failed' OR status = 'pending' AND last_error IS NOT NULL)
        AND greatest(created_at, ended_at, (attempt_log -> -1 ->> 'at')::timestamptz) >= $2`,
    [endpointId, since],
  );
  return rowCount;
}
