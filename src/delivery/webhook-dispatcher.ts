import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { selectWebhookHost } from './behavior-outbox.sql.js';
import { type BehaviorAttempt, BehaviorSender } from './behavior-sender.js';
import { BehaviorQueue } from './delivery-queues.js';

/** Of the slots that `WebhookConsumer` has: a host that never answers keeps no more of them from the others. */
const AT_ONCE_PER_HOST = 4;

/**
 * Sends webhooks so that every host waits for itself only. A wake-up stands for the host of the webhook it names, not
 * for that one: where the host has all it may have, the wake-up is dropped, and whoever ends an attempt wakes for the
 * next to the same host, behind those of others that wait. Were each wake-up for its own webhook, those that find their
 * host busy would have to come back again and again.
 *
 * What is under way is counted in this process: its slots are what is shared out. So a host may have that many requests
 * of each worker process, none has to hear of another, and one that is killed leaves no count behind.
 */
@Injectable()
export class WebhookDispatcher {
  private readonly underWay = new Map<string, number>();

  constructor(
    private readonly database: DatabaseService,
    private readonly sender: BehaviorSender,
    private readonly queue: BehaviorQueue,
  ) {}

  /** Sends the webhook that waits longest of those to the host of this one, or none if the host is busy. */
  async wake(behaviorId: number, stop: AbortSignal): Promise<BehaviorAttempt | 'host_busy'> {
    const host = await selectWebhookHost(this.database, behaviorId);
    if (host === undefined) return 'not_due';
    if (this.countOf(host) >= AT_ONCE_PER_HOST) return 'host_busy';
    this.underWay.set(host, this.countOf(host) + 1);
    const attempt = await this.sender.sendWebhook(host, stop).finally(() => this.leave(host));
    if (attempt !== 'not_due') await this.queue.add('webhook', [{ job: { behaviorId } }]);
    return attempt;
  }

  private leave(host: string): void {
    const others = this.countOf(host) - 1;
    if (others > 0) this.underWay.set(host, others);
    else this.underWay.delete(host);
  }

  private countOf(host: string): number {
    return this.underWay.get(host) ?? 0;
  }
}
