import { Injectable } from '@nestjs/common';
import { WorkLoop } from '../platform/concurrency.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { DeliveryQueues } from './delivery-queues.js';
import { MESSAGE_KINDS, type MessageKind } from './message.js';
import { insertBatchMail, type NewNotification, selectDueMessages } from './outbox.sql.js';

interface WakeLimits {
  /** The due messages of a receiver that Redis should hold at a time; the next ones follow as these are sent. */
  perReceiver: number;
  /** One due message is woken at most once in this time, so that repeated looks do not pile up jobs in Redis. */
  againAfterMs: number;
}

/**
 * A wake-up of a webhook is dropped where its host is busy, so it comes again sooner. 32 are enough for several
 * workers, because each attempt that ends wakes the next one to its host.
 */
const LIMITS: Readonly<Record<MessageKind, WakeLimits>> = {
  batch_mail: { perReceiver: 1_000, againAfterMs: 30_000 },
  behavior_mail: { perReceiver: 1_000, againAfterMs: 30_000 },
  behavior_webhook: { perReceiver: 32, againAfterMs: 5_000 },
};

/**
 * The messages to deliver (ADR 26). They live in PostgreSQL, written with what they are about; a job in Redis only wakes a
 * sender. One job too many is harmless because it finds nothing to claim, and a lost one is made again.
 */
@Injectable()
export class Outbox {
  constructor(
    private readonly database: DatabaseService,
    private readonly queues: DeliveryQueues,
  ) {}

  /** Stores one mail per batch and kind; answers its id, also if it was stored before. Call `wake` after the commit. */
  addBatchMail(transaction: Transaction, mail: NewNotification): Promise<number> {
    return insertBatchMail(transaction, mail);
  }

  /**
   * Has messages sent soon, or after a delay. Never throws and never waits long for Redis: a message that is not woken
   * now is woken when it is due. The time that counts is the one in PostgreSQL.
   */
  wake(kind: MessageKind, ids: readonly number[], delayMs?: number): Promise<void> {
    return this.queues.add(
      kind,
      ids.map((messageId) => ({ job: { messageId }, ...(delayMs !== undefined && { delayMs }) })),
    );
  }

  /** Wakes every message that is due, and those whose sender fell silent. */
  async wakeDue(): Promise<void> {
    for (const kind of MESSAGE_KINDS) await this.wakeDueOf(kind);
  }

  private async wakeDueOf(kind: MessageKind): Promise<void> {
    const { perReceiver, againAfterMs } = LIMITS[kind];
    const due = await selectDueMessages(this.database, kind, perReceiver);
    const period = Math.floor(Date.now() / againAfterMs);
    await this.queues.add(
      kind,
      due.map(({ id, attempts, resends }) => ({
        job: { messageId: id },
        // With the attempt, so that the job of a failed one never stands in the way of the next.
        jobId: `${id}.${attempts}.${resends}.${period}`,
      })),
    );
  }
}

/**
 * Chunks commit behaviors and wake no one, so this look is what finds them. It is one probe per kind of an index that
 * is empty most of the time.
 */
const LOOK_EVERY_MS = 1_000;

/** Wakes due messages again and again, in every worker. */
@Injectable()
export class DueMessages extends WorkLoop {
  constructor(private readonly outbox: Outbox) {
    super({
      intervalMs: LOOK_EVERY_MS,
      begins: 'at once',
      failure: 'due messages could not be looked up',
    });
  }

  protected override pass(): Promise<void> {
    return this.outbox.wakeDue();
  }
}
