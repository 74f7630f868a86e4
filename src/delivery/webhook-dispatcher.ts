import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { type Attempt, MessageSender } from './message-sender.js';
import { Outbox } from './outbox.js';
import { selectReceiver } from './outbox.sql.js';

/** Of the slots that `WebhookConsumer` has: a host that never answers takes at most these from the others. */
const AT_ONCE_PER_HOST = 4;

const KIND = 'behavior_webhook';

/**
 * Sends webhooks so that each host waits for itself only (ADR 19). A wake-up stands for the host of its webhook: it
 * sends the one that has waited longest, or is dropped where the host has all the slots it may have. Each attempt that
 * ends wakes the next one to the same host, behind those of other hosts. If each wake-up stood for its own webhook, the
 * ones that find their host busy would have to come back again and again.
 *
 * The count is kept in this process, whose slots are shared out. So a host may have that many requests from each
 * worker, no worker has to hear of another, and one that is killed leaves no count behind.
 */
@Injectable()
export class WebhookDispatcher {
  private readonly inProgress = new Map<string, number>();

  constructor(
    private readonly database: DatabaseService,
    private readonly sender: MessageSender,
    private readonly outbox: Outbox,
  ) {}

  /** Sends the webhook that has waited longest of those to the host of this one, or none if the host is busy. */
  async wake(id: number, stop: AbortSignal): Promise<Attempt | 'host_busy'> {
    const host = await selectReceiver(this.database, { kind: KIND, id });
    if (host === undefined) return 'not_due';
    if (this.countOf(host) >= AT_ONCE_PER_HOST) return 'host_busy';
    this.inProgress.set(host, this.countOf(host) + 1);
    const attempt = await this.sender.sendNext(KIND, host, stop).finally(() => this.leave(host));
    if (attempt !== 'not_due') await this.outbox.wake(KIND, [id]);
    return attempt;
  }

  private leave(host: string): void {
    const others = this.countOf(host) - 1;
    if (others > 0) this.inProgress.set(host, others);
    else this.inProgress.delete(host);
  }

  private countOf(host: string): number {
    return this.inProgress.get(host) ?? 0;
  }
}
