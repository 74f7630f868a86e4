import { isIP } from 'node:net';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import { KnownImportProcesses, type Principal, problemsOfLimit } from '../auth/principal.js';
import { Outbox } from '../delivery/outbox.js';
import { resendMessage } from '../delivery/outbox.sql.js';
import { isPrivateAddress, newWebhookSecret, receiverOf, TEST_EVENT } from '../delivery/webhook-endpoint.js';
import {
  type BatchDelivery,
  deleteEndpoint,
  type DeliveryRow,
  type EndpointRow,
  type EndpointSettings,
  insertEndpoint,
  insertTestDelivery,
  lockEndpoints,
  resendFailedDeliveries,
  rotateSecret,
  selectDeliveries,
  selectDeliveriesOfBatch,
  selectDelivery,
  selectEndpoint,
  selectEndpoints,
  setEndpointStatus,
  updateEndpoint,
  updateSealed,
} from '../delivery/webhook-endpoints.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Sql, type Transaction } from '../platform/database/database.service.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import { SecretBox } from '../platform/secret-box.js';
import {
  tooManyWebhookEndpoints,
  webhookDeliveryNotFound,
  webhookEndpointDisabled,
  webhookEndpointNotFound,
  webhookIsBeingSent,
} from './notifications.errors.js';
import type {
  ListDeliveriesDto,
  SaveWebhookEndpointDto,
  WebhookDelivery,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from './webhook-endpoints.dto.js';

/** The most endpoints of an installation: each change of a batch may store a webhook for each of them. */
const MOST_ENDPOINTS = 100;
/** How long the previous secret signs as well. */
const ROTATION_HOURS = 24;

const KIND = 'batch_webhook';
const DELIVERIES = 'WebhookDeliveries';
/** The page of an import shows this many. */
const SHOWN_WITH_BATCH = 100;

export type { BatchDelivery };

/** The endpoints that receive webhooks about batches, and the log of their deliveries. */
@Injectable()
export class WebhookEndpointsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
    private readonly outbox: Outbox,
    private readonly importProcesses: KnownImportProcesses,
    private readonly config: AppConfig,
  ) {}

  /** Oldest first. */
  async list(): Promise<WebhookEndpoint[]> {
    return (await selectEndpoints(this.database)).map((row) => this.resource(row));
  }

  /** @throws DomainError 404 `webhook_endpoint_not_found` */
  async get(id: number): Promise<WebhookEndpoint> {
    return this.resource(await existing(this.database, id));
  }

  /** @throws DomainError 400 `invalid_body`, 409 `too_many_webhook_endpoints` */
  async create(dto: SaveWebhookEndpointDto, by: Principal): Promise<WebhookEndpointWithSecret> {
    const settings = await this.settingsOf(dto);
    const secret = dto.secret ?? newWebhookSecret();
    const row = await this.database.transaction(async (transaction) => {
      const id = await insertEndpoint(transaction, settings, {
        secret: this.secrets.seal(secret),
        createdBy: by.id,
        most: MOST_ENDPOINTS,
      });
      if (id === undefined) throw tooManyWebhookEndpoints(MOST_ENDPOINTS);
      if (dto.status === 'disabled') await setEndpointStatus(transaction, id, 'disabled', 'manual');
      await audit(transaction, by, 'webhook_endpoint_created', id, auditedSettings(settings));
      return existing(transaction, id);
    });
    return { ...this.resource(row), secret };
  }

  /** @throws DomainError 400 `invalid_body`, 404 `webhook_endpoint_not_found` */
  async replace(id: number, dto: SaveWebhookEndpointDto, by: Principal): Promise<WebhookEndpoint> {
    const settings = await this.settingsOf(dto);
    const row = await this.database.transaction(async (transaction) => {
      await existing(transaction, id);
      await updateEndpoint(transaction, id, settings);
      await audit(transaction, by, 'webhook_endpoint_changed', id, auditedSettings(settings));
      if (dto.status !== undefined) await this.changeStatus(transaction, id, dto.status, by);
      if (dto.secret !== undefined) await this.changeSecret(transaction, id, dto.secret, by);
      return existing(transaction, id);
    });
    return this.resource(row);
  }

  /** @throws DomainError 404 `webhook_endpoint_not_found` */
  async delete(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const host = await deleteEndpoint(transaction, id);
      if (host === undefined) throw webhookEndpointNotFound(id);
      await audit(transaction, by, 'webhook_endpoint_deleted', id, { host });
    });
  }

  /** Enables or disables the endpoint by hand. @throws DomainError 404 `webhook_endpoint_not_found` */
  async setStatus(id: number, status: 'active' | 'disabled', by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await existing(transaction, id);
      await this.changeStatus(transaction, id, status, by);
    });
  }

  /**
   * Makes a new secret. The present one signs as well for a day, so that the receiver can change in between.
   * @throws DomainError 404 `webhook_endpoint_not_found`
   */
  async rotate(id: number, by: Principal): Promise<WebhookEndpointWithSecret> {
    const secret = newWebhookSecret();
    const row = await this.database.transaction(async (transaction) => {
      await this.changeSecret(transaction, id, secret, by);
      return existing(transaction, id);
    });
    return { ...this.resource(row), secret };
  }

  /** Newest first. @throws DomainError 404 `webhook_endpoint_not_found`, 400 `invalid_cursor` */
  async deliveries(id: number, { status, limit, after }: ListDeliveriesDto): Promise<Page<WebhookDelivery>> {
    await existing(this.database, id);
    const before = after === undefined ? undefined : decodeCursor(DELIVERIES, after, HIGHEST_ID)[0];
    const rows = await selectDeliveries(this.database, id, { status, before, limit: limit + 1 });
    return pageOf(rows, limit, (row) => encodeCursor(DELIVERIES, [row.id]), deliveryResource);
  }

  /** The webhooks about a batch, oldest first. The caller must have checked that the batch is visible. */
  ofBatch(batchId: number): Promise<BatchDelivery[]> {
    return selectDeliveriesOfBatch(this.database, batchId, SHOWN_WITH_BATCH);
  }

  /**
   * Sends a webhook that only shows whether the endpoint can be reached.
   * @throws DomainError 404 `webhook_endpoint_not_found`, 409 `webhook_endpoint_disabled`
   */
  async test(id: number, by: Principal): Promise<WebhookDelivery> {
    const delivery = await this.database.transaction(async (transaction) => {
      await existing(transaction, id);
      const deliveryId = await insertTestDelivery(transaction, id, TEST_EVENT);
      if (deliveryId === undefined) throw webhookEndpointDisabled(id);
      await audit(transaction, by, 'webhook_endpoint_tested', id, { delivery: deliveryId });
      return existingDelivery(transaction, id, deliveryId);
    });
    await this.outbox.wake(KIND, [delivery.id]);
    return deliveryResource(delivery);
  }

  /**
   * Sends a webhook again, with the same id.
   * @throws DomainError 404 `webhook_endpoint_not_found`, `webhook_delivery_not_found`, 409 `webhook_endpoint_disabled`,
   *   `state_conflict` while it is being sent
   */
  async resend(id: number, deliveryId: number, by: Principal): Promise<WebhookDelivery> {
    const delivery = await this.database.transaction(async (transaction) => {
      await assertActive(transaction, id);
      await existingDelivery(transaction, id, deliveryId);
      if (!(await resendMessage(transaction, { kinds: [KIND], id: deliveryId }))) {
        throw webhookIsBeingSent(deliveryId);
      }
      await audit(transaction, by, 'webhook_resent', id, { delivery: deliveryId });
      return existingDelivery(transaction, id, deliveryId);
    });
    await this.outbox.wake(KIND, [deliveryId]);
    return deliveryResource(delivery);
  }

  /**
   * Sends the webhooks again that failed at this time or later, and does not wait for the next attempt of those that
   * are still tried. The loop over due messages finds them.
   * @throws DomainError 404 `webhook_endpoint_not_found`, 409 `webhook_endpoint_disabled`
   */
  resendFailed(id: number, since: Date, by: Principal): Promise<{ resent: number }> {
    return this.database.transaction(async (transaction) => {
      await assertActive(transaction, id);
      const resent = await resendFailedDeliveries(transaction, id, since);
      await audit(transaction, by, 'webhooks_resent', id, { failedSince: since.toISOString(), resent });
      return { resent };
    });
  }

  /** @throws DomainError 400 `invalid_body` */
  private async settingsOf(dto: SaveWebhookEndpointDto): Promise<EndpointSettings> {
    const { url, description, format, events, importProcessIds = null } = dto;
    const errors = await problemsOfLimit(this.importProcesses, [], importProcessIds);
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    // A name is checked when the connection is made: what it resolves to may change.
    if (!this.config.allowPrivateTargets && isIP(host) !== 0 && isPrivateAddress(host)) {
      const message = `${host} is not a public address; ALLOW_PRIVATE_TARGETS=true allows such receivers`;
      errors.push({ pointer: '/url', code: 'invalid_value', message });
    }
    if (errors.length > 0) throw invalidBody(errors);
    const receiver = receiverOf(url);
    return { url: this.secrets.seal(url), receiver, description, format, events, importProcessIds };
  }

  private async changeStatus(
    transaction: Transaction,
    id: number,
    status: 'active' | 'disabled',
    by: Principal,
  ): Promise<void> {
    const reason = status === 'disabled' ? 'manual' : null;
    if (!(await setEndpointStatus(transaction, id, status, reason))) return;
    const action = status === 'disabled' ? 'webhook_endpoint_disabled' : 'webhook_endpoint_enabled';
    await audit(transaction, by, action, id, { ...(reason && { reason }) });
  }

  private async changeSecret(transaction: Transaction, id: number, secret: string, by: Principal) {
    const sealed = this.secrets.seal(secret);
    if (!(await rotateSecret(transaction, id, sealed, ROTATION_HOURS))) throw webhookEndpointNotFound(id);
    await audit(transaction, by, 'webhook_secret_rotated', id, {});
  }

  private resource(row: EndpointRow): WebhookEndpoint {
    const { id, events, importProcessIds, description, format, status, disabledReason } = row;
    return {
      ...{ id, url: this.secrets.open(row.url), events, importProcessIds, description, format },
      ...{ status, disabledReason, disabledAt: row.disabledAt?.toISOString() ?? null },
      previousSecretUntil: row.previousSecretUntil?.toISOString() ?? null,
      failedDeliveries: row.failedDeliveries,
      createdBy: row.createdBy,
      createdAt: row.createdAt.toISOString(),
    };
  }
}

async function existing(sql: Sql, id: number): Promise<EndpointRow> {
  const row = await selectEndpoint(sql, id);
  if (row === undefined) throw webhookEndpointNotFound(id);
  return row;
}

async function assertActive(sql: Sql, id: number): Promise<void> {
  if ((await existing(sql, id)).status === 'disabled') throw webhookEndpointDisabled(id);
}

async function existingDelivery(sql: Sql, endpointId: number, id: number): Promise<DeliveryRow> {
  const row = await selectDelivery(sql, endpointId, id);
  if (row === undefined) throw webhookDeliveryNotFound(id);
  return row;
}

function audit(
  sql: Sql,
  by: Principal,
  action: string,
  id: number,
  details: Record<string, unknown>,
): Promise<void> {
  return writeAudit(sql, { actor: by.id, action, subject: `webhook-endpoint:${id}`, details });
}

/** The path of a URL may be a secret. */
function auditedSettings({
  receiver: host,
  description,
  format,
  events,
  importProcessIds,
}: EndpointSettings) {
  return { host, description, format, events, importProcessIds };
}

function deliveryResource(row: DeliveryRow): WebhookDelivery {
  const { id, event, batchId, status, attempts, resends, lastError, log } = row;
  return {
    ...{ id, event, WORKFLOW_IMPORT_QUEUE_BATCH_ID: batchId, status, attempts, resends, lastError },
    createdAt: row.createdAt.toISOString(),
    nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null,
    sentAt: row.sentAt?.toISOString() ?? null,
    log,
  };
}

/** Encrypts the URLs and secrets of all endpoints with the present key at every start, as those of workflows are. */
@Injectable()
export class EndpointSecretsAtRest implements OnApplicationBootstrap {
  private readonly logger = new Logger(EndpointSecretsAtRest.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
  ) {}

  /** A start does not fail because of secrets: everything else works without them. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.database.transaction((transaction) => this.sealAll(transaction));
    } catch (error) {
      this.logger.error('The secrets of webhook endpoints could not be encrypted', error);
    }
  }

  private async sealAll(transaction: Transaction): Promise<void> {
    if (!(await tryLock(transaction, 'endpointSecrets'))) return;
    const endpoints = await lockEndpoints(transaction);
    if (!this.secrets.hasKey) {
      if (endpoints.length > 0) {
        this.logger.warn(
          'URLs and secrets of webhook endpoints are stored in clear. Set SECRETS_KEY or SESSION_SECRET.',
        );
      }
      return;
    }
    for (const { id, url, secret, previousSecret } of endpoints) {
      const stored = [url, secret, ...(previousSecret === null ? [] : [previousSecret])];
      if (stored.every((text) => this.secrets.isCurrent(text))) continue;
      await updateSealed(transaction, {
        id,
        url: this.secrets.seal(url),
        secret: this.secrets.seal(secret),
        previousSecret: previousSecret && this.secrets.seal(previousSecret),
      });
    }
  }
}
