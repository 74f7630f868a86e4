import { Injectable } from '@nestjs/common';
import type { OutgoingMail } from './mailer.js';
import type { ClaimedMessage, MessageKind } from './message.js';
import type { OutgoingWebhook } from './webhook-message.js';

export type OutgoingMessage =
  { channel: 'mail'; mail: OutgoingMail } | { channel: 'webhook'; webhook: OutgoingWebhook };

/** Writes what is sent for a claimed message. The layers above know what it is about; delivery does not. */
export interface MessageRenderer {
  render(claim: ClaimedMessage): Promise<OutgoingMessage>;
}

/** The renderers by kind. The layers above register them at module start, before the first consumer runs. */
@Injectable()
export class MessageRenderers {
  private readonly renderers = new Map<MessageKind, MessageRenderer>();

  register(kind: MessageKind, renderer: MessageRenderer): void {
    this.renderers.set(kind, renderer);
  }

  /** @throws Error if no module has registered a renderer for this kind: the process was put together wrongly */
  render(claim: ClaimedMessage): Promise<OutgoingMessage> {
    const renderer = this.renderers.get(claim.kind);
    if (renderer === undefined) throw new Error(`no renderer is registered for ${claim.kind}`);
    return renderer.render(claim);
  }
}
