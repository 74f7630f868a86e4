import { Injectable, type OnModuleInit } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import { batchPath, resultsUrl } from '../batches/batch-resource.js';
import type { BatchEvent } from '../batches/batch-state.js';
import type { BatchFacts } from '../batches/batches.sql.js';
import { type MessageRenderer, MessageRenderers, type OutgoingMessage } from '../delivery/message-sender.js';
import { type ClaimedMessage, DeliveryFault } from '../delivery/message.js';
import { type EndpointFormat, TEST_EVENT } from '../delivery/webhook-endpoint.js';
import { selectEndpointTarget, setEndpointStatus } from '../delivery/webhook-endpoints.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { SecretBox } from '../platform/secret-box.js';
import { formatNumber, oneLine } from '../platform/wording.js';

/** What the title of a chat message says of the import. */
const HEADINGS: Readonly<Record<BatchEvent, string>> = {
  'batch.received': 'Import received',
  'batch.awaiting_confirmation': 'Import awaits confirmation',
  'batch.paused': 'Import paused',
  'batch.completed': 'Import succeeded',
  'batch.completed_with_errors': 'Import finished with errors',
  'batch.failed': 'Import failed',
  'batch.canceled': 'Import canceled',
};

/** An event for people: what happened, the figures, and where to read on. */
interface ChatMessage {
  heading: string;
  text: string;
  /** `null` for a test. */
  url: string | null;
}

/** An event as it is sent, before it gets the form of its receiver. */
interface SentEvent {
  event: string;
  at: Date;
  data: Record<string, unknown>;
  chat: ChatMessage;
}

function batchEvent(event: BatchEvent, at: Date, facts: BatchFacts, publicUrl: string): SentEvent {
  const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, importProcessName } = facts;
  const results = resultsUrl(publicUrl, id);
  const links = { self: publicUrl + batchPath(id), records: `${publicUrl}${batchPath(id)}/Records` };
  return {
    event,
    at,
    data: { ...facts, resultsUrl: results, links },
    chat: {
      heading: HEADINGS[event],
      text: `${oneLine(importProcessName)}, import ${id}: ${figures(facts.recordCounts)}`,
      url: results,
    },
  };
}

/** "61 succeeded, 3 invalid of 64 records"; only the states that occur. */
function figures({ total = 0, ...states }: Record<string, number>): string {
  const shown = Object.entries(states).filter(([, count]) => count > 0);
  const parts = shown.map(([state, count]) => `${formatNumber(count)} ${state}`);
  return `${parts.join(', ') || 'none'} of ${formatNumber(total)} ${total === 1 ? 'record' : 'records'}`;
}

function testEvent(at: Date, data: Record<string, unknown>): SentEvent {
  return {
    event: TEST_EVENT,
    at,
    data,
    chat: { heading: 'Test message', text: 'Workflow Import Queue can reach this channel.', url: null },
  };
}

/** The body of a webhook. The same event always becomes the same bytes, so that each attempt sends them again. */
function bodyOf({ event, at, data, chat }: SentEvent, format: EndpointFormat): string {
  switch (format) {
    case 'standard':
      return JSON.stringify({ type: event, timestamp: at.toISOString(), data });
    case 'slack':
      return JSON.stringify(slackMessage(chat));
    case 'teams':
      return JSON.stringify(teamsMessage(chat));
  }
}

function slackMessage({ heading, text, url }: ChatMessage) {
  const link = url === null ? '' : `\n<${url}|Open the import>`;
  return { text: `*${slackText(heading)}*\n${slackText(text)}${link}` };
}

/** Slack reads these three characters as markup: a name must not become a link or mention a channel. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An adaptive card, as the workflow "Post to a channel when a webhook request is received" takes it. */
function teamsMessage({ heading, text, url }: ChatMessage) {
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [
      { type: 'TextBlock', size: 'Medium', weight: 'Bolder', text: heading, wrap: true },
      { type: 'TextBlock', text: cardText(text), wrap: true },
    ],
    actions: url === null ? [] : [{ type: 'Action.OpenUrl', title: 'Open the import', url }],
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  };
}

/** A card reads Markdown: a name must not become a link or formatted text. */
function cardText(text: string): string {
  return text.replace(/[\\`*_[\]()#<>!|~]/g, '\\$&');
}

/** Renders the webhooks about batches. */
@Injectable()
export class BatchWebhooks implements MessageRenderer, OnModuleInit {
  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
    private readonly renderers: MessageRenderers,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.renderers.register('batch_webhook', this);
  }

  /**
   * The id stays the same on every attempt, even if a person requests the webhook again: it still reports one event.
   * @throws DeliveryFault if the endpoint is disabled
   */
  async render({ id, json, createdAt }: ClaimedMessage): Promise<OutgoingMessage> {
    const endpoint = await selectEndpointTarget(this.database, id);
    if (endpoint === undefined) throw new DeliveryFault('the endpoint was deleted', true);
    if (endpoint.status === 'disabled') throw new DeliveryFault('the endpoint is disabled', true);
    const data = JSON.parse(json ?? '{}') as Record<string, unknown>;
    const sent =
      endpoint.event === TEST_EVENT
        ? testEvent(createdAt, data)
        : batchEvent(
            endpoint.event as BatchEvent,
            createdAt,
            data as unknown as BatchFacts,
            this.config.publicUrl,
          );
    return {
      channel: 'webhook',
      webhook: {
        url: this.secrets.open(endpoint.url),
        id: `msg_${id}_${createdAt.getTime()}`,
        body: bodyOf(sent, endpoint.format),
        secrets: endpoint.secrets,
      },
      logged: true,
    };
  }

  /** A receiver that answers 410 wants no more webhooks. */
  async gone(transaction: Transaction, { id, webhookEndpointId }: ClaimedMessage): Promise<void> {
    if (webhookEndpointId === null) return;
    if (!(await setEndpointStatus(transaction, webhookEndpointId, 'disabled', 'gone'))) return;
    await writeAudit(transaction, {
      actor: 'delivery',
      action: 'webhook_endpoint_disabled',
      subject: `webhook-endpoint:${webhookEndpointId}`,
      details: { reason: 'gone', delivery: id },
    });
  }
}
