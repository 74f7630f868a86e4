import { Injectable } from '@nestjs/common';
import { BoundedMap } from '../platform/concurrency.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { type Attempt, MessageSender } from './message-sender.js';
import type { WebhookKind } from './message.js';
import { Outbox } from './outbox.js';
import { selectReceiver } from './outbox.sql.js';

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

/** How many webhooks one process sends at a time. Webhooks wait for receivers rather than compute. */
export const WEBHOOK_SLOTS = 64;
/** Slots of a host whose last webhook did not fail. */
const PER_HOST = 4;
/** A host whose last webhook failed gets one probe at a time. All such hosts together get at most this many. */
const PROBES = 16;
/**
 * Hosts that have not accepted a webhook yet, or failed last time, leave the other slots to hosts that accept theirs.
 */
const UNPROVEN = 48;
/** How many hosts the process remembers. */
const REMEMBERED = 10_000;

type Standing = 'accepts' | 'new' | 'fails';

export interface Slot {
  /** Records the outcome for the host. */
  accepted(): void;
  failed(): void;
  /** The caller must call this exactly once. */
  giveBack(): void;
}

/**
 * Shares the slots of a process among receivers, so that hosts that never answer cannot hold all of them (ADR 19). Each
 * host gets at most `PER_HOST` slots. A host that fails gets one probe at a time until it accepts a webhook again.
 */
export class ReceiverSlots {
  private readonly standings = new BoundedMap<string, Standing>(REMEMBERED);
  private readonly taken = new Map<string, number>();
  /** Slots in use, by the standing that the host had when the attempt began. */
  private readonly inProgress: Record<Standing, number> = { accepts: 0, new: 0, fails: 0 };

  /** Returns `undefined` if the host may not have a slot now. */
  take(host: string): Slot | undefined {
    const standing = this.standings.get(host) ?? 'new';
    if (!this.mayTake(host, standing)) return undefined;
    this.taken.set(host, this.takenBy(host) + 1);
    this.inProgress[standing] += 1;
    return {
      accepted: () => this.standings.set(host, 'accepts'),
      failed: () => this.standings.set(host, 'fails'),
      giveBack: () => {
        this.inProgress[standing] -= 1;
        const left = this.takenBy(host) - 1;
        if (left > 0) this.taken.set(host, left);
        else this.taken.delete(host);
      },
    };
  }

  private mayTake(host: string, standing: Standing): boolean {
    const { accepts, new: unknown, fails } = this.inProgress;
    if (accepts + unknown + fails >= WEBHOOK_SLOTS) return false;
    if (standing === 'accepts') return this.takenBy(host) < PER_HOST;
    if (unknown + fails >= UNPROVEN) return false;
    if (standing === 'new') return this.takenBy(host) < PER_HOST;
    return this.takenBy(host) === 0 && fails < PROBES;
  }

  private takenBy(host: string): number {
    return this.taken.get(host) ?? 0;
  }
}
