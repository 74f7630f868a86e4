import { Injectable } from '@nestjs/common';
import type { CookieOptions, Request, Response } from 'express';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BATCH_EVENTS, type BatchEvent } from '../../batches/batch-state.js';
import { DELIVERY_STATUSES } from '../../delivery/message.js';
import { ENDPOINT_FORMATS, TEST_EVENT } from '../../delivery/webhook-endpoint.js';
import {
  type ListDeliveriesDto,
  ResendFailedDto,
  SaveWebhookEndpointDto,
  type WebhookDelivery,
  type WebhookEndpoint,
} from '../../notifications/webhook-endpoints.dto.js';
import {
  type BatchDelivery,
  WebhookEndpointsService,
} from '../../notifications/webhook-endpoints.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm } from '../../platform/http/validation.js';
import {
  answerForm,
  fieldErrors,
  type FieldErrors,
  FileTypeLimits,
  type FormAnswer,
  limitOf,
  tickedFileTypes,
} from '../forms.js';
import { importPath, withQuery } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import { mailLabel, type StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';

const LIST = '/webhooks';
const pathOf = (id: number) => `${LIST}/${id}`;

const SECRET_COOKIE = 'wiq_new_webhook_secret';
/** A browser follows a redirect at once; the secret must not stay longer than that takes. */
const SECRET_MS = 60_000;
const NEW_SECRET = /(?:^|;\s*)wiq_new_webhook_secret=(\d+)\.([^;]+)(?:;|$)/;

/** Statuses that a webhook can have. */
const STATUSES = DELIVERY_STATUSES.filter((status) => status !== 'not_sent_no_smtp');

/** What was entered in the form, as far as the form shows it again. */
interface EnteredEndpoint {
  url: string;
  description: string;
  format: string;
  events: readonly string[];
  importProcessIds: readonly string[];
}

const BLANK: EnteredEndpoint = {
  url: '',
  description: '',
  format: 'standard',
  events: ['batch.completed', 'batch.completed_with_errors', 'batch.failed'],
  importProcessIds: [],
};

function enteredEndpoint(form: unknown): EnteredEndpoint {
  const { url, description, format, events } = (form ?? {}) as Record<string, unknown>;
  const trimmed = (value: unknown) => (typeof value === 'string' ? value.trim() : '');
  return {
    url: trimmed(url),
    description: trimmed(description),
    format: trimmed(format),
    events: [events ?? []].flat().filter((each): each is string => typeof each === 'string'),
    importProcessIds: tickedFileTypes(form),
  };
}

/** Checked by the rules of the API. No file type: all of them. */
function readForm(entered: EnteredEndpoint): SaveWebhookEndpointDto {
  return validateForm(SaveWebhookEndpointDto, {
    ...entered,
    importProcessIds: limitOf(entered.importProcessIds),
  });
}

/** Endpoints, with the log of their deliveries. */
@Injectable()
export class WebhooksPage {
  constructor(
    private readonly config: AppConfig,
    private readonly endpoints: WebhookEndpointsService,
    private readonly creators: CreatorNames,
    private readonly limits: FileTypeLimits,
    private readonly pages: PageRenderer,
  ) {}

  async list(entered = BLANK, errors: FieldErrors = {}): Promise<string> {
    const endpoints = await this.endpoints.list();
    const fileTypesOf = await this.limits.namer();
    return this.pages.render('webhooks/endpoints', {
      title: text('webhooks.title'),
      section: 'webhooks',
      endpoints: endpoints.map((endpoint) => ({
        name: nameOf(endpoint),
        path: pathOf(endpoint.id),
        url: endpoint.url,
        events: endpoint.events.map(eventText),
        fileTypes: fileTypesOf(endpoint.importProcessIds),
        label: endpointLabel(endpoint),
        failed: endpoint.failedDeliveries,
      })),
      ...(await this.fields(entered, errors)),
    });
  }

  create(form: unknown, principal: Principal, response: Response): Promise<FormAnswer> {
    const entered = enteredEndpoint(form);
    return answerForm(
      async () => {
        const { id, secret } = await this.endpoints.create(readForm(entered), principal);
        return this.showSecret(id, secret, response);
      },
      (error) => this.list(entered, fieldErrors(error)),
    );
  }

  /** The page shows a new secret once: it takes the secret from the cookie that led here. */
  async show(
    id: number,
    query: ListDeliveriesDto,
    { request, response }: { request: Request; response: Response },
  ): Promise<string> {
    const [, of, encoded = ''] = NEW_SECRET.exec(request.headers.cookie ?? '') ?? [];
    const secret = Number(of) === id ? decodeURIComponent(encoded) : null;
    if (secret !== null) response.clearCookie(SECRET_COOKIE, this.cookieOptions());
    return this.render(id, query, { secret });
  }

  save(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    const entered = enteredEndpoint(form);
    return answerForm(
      async () => {
        await this.endpoints.replace(id, readForm(entered), principal);
        return pathOf(id);
      },
      (error) => this.render(id, { limit: 50 }, { entered, errors: fieldErrors(error) }),
    );
  }

  setStatus(id: number, status: 'active' | 'disabled', principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.endpoints.setStatus(id, status, principal));
  }

  async remove(id: number, principal: Principal): Promise<FormAnswer> {
    await this.endpoints.delete(id, principal);
    return { path: LIST };
  }

  async rotate(id: number, principal: Principal, response: Response): Promise<FormAnswer> {
    const { secret } = await this.endpoints.rotate(id, principal);
    return { path: this.showSecret(id, secret, response) };
  }

  test(id: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.endpoints.test(id, principal));
  }

  resend(id: number, deliveryId: number, principal: Principal): Promise<FormAnswer> {
    return this.act(id, () => this.endpoints.resend(id, deliveryId, principal));
  }

  /** The field of the form is a time in UTC, without its zone. */
  resendFailed(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.act(id, async () => {
      const { failedSince } = (form ?? {}) as Record<string, unknown>;
      const given = typeof failedSince === 'string' && failedSince !== '' ? `${failedSince}Z` : '';
      const since = new Date(validateForm(ResendFailedDto, { failedSince: given }).failedSince);
      await this.endpoints.resendFailed(id, since, principal);
    });
  }

  private act(id: number, perform: () => Promise<unknown>): Promise<FormAnswer> {
    return answerForm(
      async () => {
        await perform();
        return pathOf(id);
      },
      (error) => this.render(id, { limit: 50 }, { errors: fieldErrors(error) }),
    );
  }

  private async render(
    id: number,
    query: ListDeliveriesDto,
    shown: { secret?: string | null; entered?: EnteredEndpoint; errors?: FieldErrors },
  ): Promise<string> {
    const endpoint = await this.endpoints.get(id);
    const { items, nextCursor } = await this.endpoints.deliveries(id, query);
    const creatorOf = await this.creators.of([endpoint.createdBy]);
    const path = pathOf(id);
    const stored = {
      url: endpoint.url,
      description: endpoint.description,
      format: endpoint.format,
      events: endpoint.events,
      importProcessIds: endpoint.importProcessIds?.map(String) ?? [],
    };
    return this.pages.render('webhooks/endpoint', {
      title: nameOf(endpoint),
      section: 'webhooks',
      path,
      rotatePath: `${path}/rotate`,
      disablePath: `${path}/disable`,
      deletePath: `${path}/delete`,
      label: endpointLabel(endpoint),
      isActive: endpoint.status === 'active',
      isGone: endpoint.disabledReason === 'gone',
      disabledAt: endpoint.disabledAt,
      isSigned: endpoint.format === 'standard',
      previousSecretUntil: endpoint.previousSecretUntil,
      createdBy: creatorOf(endpoint.createdBy),
      createdAt: endpoint.createdAt,
      secret: shown.secret,
      ...(await this.fields(shown.entered ?? stored, shown.errors ?? {})),
      statuses: STATUSES.map((value) => ({
        value,
        text: mailLabel(value).text,
        selected: value === query.status,
      })),
      filtered: query.status !== undefined || query.after !== undefined,
      deliveries: items.map((delivery) => deliveryView(delivery, path, endpoint.status === 'active')),
      nextPath: nextCursor === null ? null : withQuery(path, { status: query.status, after: nextCursor }),
    });
  }

  private async fields(entered: EnteredEndpoint, errors: FieldErrors) {
    return {
      entered,
      errors,
      formats: ENDPOINT_FORMATS.map((value) => ({
        value,
        text: text(`webhooks.formats.${value}`),
        selected: value === entered.format,
      })),
      events: BATCH_EVENTS.map((value) => ({
        value,
        text: eventText(value),
        checked: entered.events.includes(value),
      })),
      fileTypes: await this.limits.options(entered.importProcessIds),
    };
  }

  /** Leads to the page of the endpoint. A cookie takes the secret there, so that a reload shows it to no one. */
  private showSecret(id: number, secret: string, response: Response): string {
    response.cookie(SECRET_COOKIE, `${id}.${secret}`, { ...this.cookieOptions(), maxAge: SECRET_MS });
    return pathOf(id);
  }

  private cookieOptions(): CookieOptions {
    const secure = this.config.publicUrl.startsWith('https:');
    return { httpOnly: true, sameSite: 'strict', secure, path: LIST };
  }
}

const nameOf = ({ description, url }: WebhookEndpoint): string => description || new URL(url).host;

function eventText(event: string): string {
  if (event === TEST_EVENT) return text('webhooks.events.test');
  const name = event.slice('batch.'.length) as BatchEvent extends `batch.${infer Name}` ? Name : never;
  return text(`webhooks.events.${name}`);
}

function endpointLabel({ status, disabledReason }: WebhookEndpoint): StatusLabel {
  if (status === 'active') return { text: text('webhooks.active'), tone: 'good' };
  return disabledReason === 'gone'
    ? { text: text('webhooks.gone'), tone: 'bad' }
    : { text: text('webhooks.disabled'), tone: 'quiet' };
}

/** A webhook as the page of its import shows it: with a link for people who may open the endpoint. */
export function webhookView(
  { endpointId, receiver, event, status, lastError }: BatchDelivery,
  by: Principal,
) {
  return {
    label: mailLabel(status),
    receiver,
    event: eventText(event),
    lastError,
    path: by.permissions.includes('Configure') ? pathOf(endpointId) : null,
  };
}

function deliveryView(delivery: WebhookDelivery, path: string, isActive: boolean) {
  const { id, event, WORKFLOW_IMPORT_QUEUE_BATCH_ID: batchId, status, log } = delivery;
  return {
    ...delivery,
    event: eventText(event),
    label: mailLabel(status),
    batchId,
    batchPath: batchId === null ? null : importPath(batchId),
    resendPath: isActive && status !== 'sending' ? `${path}/deliveries/${id}/resend` : null,
    log: log.map(({ request, answer, ...attempt }) => ({
      ...attempt,
      request: request && { headers: headerLines(request.headers), body: request.body },
      answer: answer && { ...answer, headers: headerLines(answer.headers) },
    })),
  };
}

function headerLines(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}
