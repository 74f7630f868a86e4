import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  type MessageRenderer,
  MessageRenderers,
  type OutgoingMessage,
} from '../../delivery/message-sender.js';
import type { ClaimedMessage } from '../../delivery/message.js';
import { AppConfig } from '../../platform/config/config.js';

/**
 * Addresses the mails and webhooks that actions cause. Their texts were rendered with the effect of the record, so
 * they say what was true then.
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
   * The Message-ID is the same on every attempt, so that receivers can drop a double. A mail that a person asks for
   * again gets a new one, so that they do not drop it.
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
        // Keeps out-of-office replies from answering (RFC 3834).
        'Auto-Submitted': 'auto-generated',
      },
    };
    return { channel: 'mail', mail };
  }
}

/** The id stays the same even when a person asks for the webhook again: it is still about one event. */
function behaviorWebhook(claim: ClaimedMessage): OutgoingMessage {
  const { recipient: url, json, secret } = claim;
  return {
    channel: 'webhook',
    webhook: { url, id: `behavior_${identityOf(claim)}`, body: json ?? '', secret },
  };
}

/** Unique even if a new database counts from 1 again. */
function identityOf({ id, createdAt }: ClaimedMessage): string {
  return `${id}_${createdAt.getTime()}`;
}
