import { Injectable } from '@nestjs/common';
import type { OutgoingMail } from './mailer.js';
import type { ClaimedNotification } from './notifications.sql.js';

/** Writes the mail that a claimed message stands for. The layers above know what it is about; delivery does not. */
export interface MessageRenderer {
  render(claim: ClaimedNotification): Promise<OutgoingMail>;
}

/** The renderers that the layers above have registered, before the first consumer starts. */
@Injectable()
export class MessageRenderers {
  private renderer: MessageRenderer | undefined;

  register(renderer: MessageRenderer): void {
    this.renderer = renderer;
  }

  /** @throws Error if no module has registered a renderer: the process was put together wrongly */
  render(claim: ClaimedNotification): Promise<OutgoingMail> {
    if (this.renderer === undefined) throw new Error('no renderer is registered for mails about batches');
    return this.renderer.render(claim);
  }
}
