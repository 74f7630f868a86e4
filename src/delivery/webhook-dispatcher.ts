import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { type Attempt, MessageSender } from './message-sender.js';
import { Outbox } from './outbox.js';
import { selectReceiver } from './outbox.sql.js';
import { ReceiverSlots, type Slot } from './receiver-slots.js';

const KIND = 'behavior_webhook';

/**
 * Sends webhooks so that each host waits for itself only (ADR 19). A wake-up stands for the host of its webhook: it
 * sends the one that has waited longest, or is dropped where the host has all the slots it may have. Each attempt that
 * ends wakes the next one to the same host, behind those of other hosts. If each wake-up stood for its own webhook, the
 * ones that find their host busy would have to come back again and again.
 *
 * The slots are counted in this process, which has them to give. So a host may have its share from each worker, no
 * worker has to hear of another, and one that is killed leaves no count behind.
 */
@Injectable()
export class WebhookDispatcher {
  private readonly slots = new ReceiverSlots();

  constructor(
    private readonly database: DatabaseService,
    private readonly sender: MessageSender,
    private readonly outbox: Outbox,
  ) {}

  /** Sends the webhook that has waited longest of those to the host of this one, or none if the host is busy. */
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
