import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { type Attempt, MessageSender } from './message-sender.js';
import type { WebhookKind } from './message.js';
import { Outbox } from './outbox.js';
import { selectReceiver } from './outbox.sql.js';
import { ReceiverSlots, type Slot } from './receiver-slots.js';

/**
 * Sends webhooks so that each host delays only its own webhooks (ADR 19). A wake-up stands for the host of its webhook:
 * it sends the webhook to that host that has waited longest, or is dropped if the host already uses all its slots. Each
 * attempt that ends wakes the next webhook to the same host, behind those to other hosts. If each wake-up stood for its
 * own webhook, wake-ups that find their host busy would have to return again and again.
 *
 * Each process counts only its own slots. So a host may get its share from each worker, workers need not communicate,
 * and a killed worker leaves no count behind.
 */
@Injectable()
export class WebhookDispatcher {
  private readonly slots = new ReceiverSlots();

  constructor(
    private readonly database: DatabaseService,
    private readonly sender: MessageSender,
    private readonly outbox: Outbox,
  ) {}

  /** Of the webhooks to this webhook's host, sends the one that has waited longest, or none if the host is busy. */
  async wake(
    { kind, id }: { kind: WebhookKind; id: number },
    stop: AbortSignal,
  ): Promise<Attempt | 'host_busy'> {
    const host = await selectReceiver(this.database, { kind, id });
    if (host === undefined) return 'not_due';
    const slot = this.slots.take(host);
    if (slot === undefined) return 'host_busy';
    const attempt = await this.attempt(kind, host, slot, stop);
    if (attempt !== 'not_due') await this.outbox.wake(kind, [id]);
    return attempt;
  }

  private async attempt(kind: WebhookKind, host: string, slot: Slot, stop: AbortSignal): Promise<Attempt> {
    try {
      const attempt = await this.sender.sendNext(kind, host, stop);
      if (attempt === 'sent') slot.accepted();
      else if (attempt === 'pending' || attempt === 'failed') slot.failed();
      return attempt;
    } finally {
      slot.giveBack();
    }
  }
}
