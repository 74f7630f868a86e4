import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  type MessageRenderer,
  MessageRenderers,
  type OutgoingMessage,
} from '../../delivery/message-sender.js';
import { type ClaimedMessage, NO_AUTOMATIC_REPLIES } from '../../delivery/message.js';
import { AppConfig } from '../../platform/config/config.js';

/**
 * Addresses the mails and webhooks that actions cause. Their texts were rendered with the effect of the record, so they
 * state the values of that moment.
 */
@Injectable()
export class BehaviorMessages implements MessageRenderer, OnModuleInit {
  constructor(
    private readonly renderers: MessageRenderers,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.renderers.register('behavior_mail', this);
    this.renderers.register('behavior_webhook', this);
  }

  render(claim: ClaimedMessage): Promise<OutgoingMessage> {
    const outgoing = claim.kind === 'behavior_webhook' ? behaviorWebhook(claim) : this.behaviorMail(claim);
    return Promise.resolve(outgoing);
  }

  /**
   * The Message-ID is the same on every attempt, so that receivers can drop a duplicate. A mail that a person requests
   * again gets a new Message-ID, so that receivers do not drop it.
   */
  private behaviorMail(claim: ClaimedMessage): OutgoingMessage {
    const { recipient, subject, text, html, batchId, resends } = claim;
    const { hostname } = new URL(this.config.publicUrl);
    const mail = {
      to: recipient,
      subject: subject ?? '',
      text: text ?? '',
      html,
      messageId: `<behavior-${identityOf(claim)}.${resends}@${hostname}>`,
      headers: {
        ...(batchId !== null && { 'X-Workflow-Import-Queue-Batch-Id': String(batchId) }),
        ...NO_AUTOMATIC_REPLIES,
      },
    };
    return { channel: 'mail', mail };
  }
}

/** The id stays the same even if a person requests the webhook again: it still reports one event. */
function behaviorWebhook(claim: ClaimedMessage): OutgoingMessage {
  const { recipient: url, json, secret } = claim;
  return {
    channel: 'webhook',
    webhook: {
      url,
      id: `behavior_${identityOf(claim)}`,
      body: json ?? '',
      secrets: secret === null ? [] : [secret],
    },
  };
}

/** Unique even if a new database counts from 1 again. */
function identityOf({ id, createdAt }: ClaimedMessage): string {
  return `${id}_${createdAt.getTime()}`;
}
