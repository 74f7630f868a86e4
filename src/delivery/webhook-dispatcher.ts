import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { type Attempt, MessageSender } from './message-sender.js';
import { Outbox } from './outbox.js';
import { selectReceiver } from './outbox.sql.js';
import { ReceiverSlots, type Slot } from './receiver-slots.js';

const KIND = 'behavior_webhook';

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
  async wake(id: number, stop: AbortSignal): Promise<Attempt | 'host_busy'> {
    const host = await selectReceiver(this.database, { kind: KIND, id });
    if (host === undefined) return 'not_due';
    const slot = this.slots.take(host);
    if (slot === undefined) return 'host_busy';
    const attempt = await this.attempt(host, slot, stop);
    if (attempt !== 'not_due') await this.outbox.wake(KIND, [id]);
    return attempt;
  }

  private async attempt(host: string, slot: Slot, stop: AbortSignal): Promise<Attempt> {
    try {
      const attempt = await this.sender.sendNext(KIND, host, stop);
      if (attempt === 'sent') slot.accepted();
      else if (attempt === 'pending' || attempt === 'failed') slot.failed();
      return attempt;
    } finally {
      slot.giveBack();
    }
  }
}
