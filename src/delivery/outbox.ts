import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Queue } from 'bull';
import { WorkLoop } from '../platform/concurrency.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import {
  addWakeUps,
  BEHAVIOR_QUEUE,
  type DeliveryJob,
  NOTIFICATION_QUEUE,
  type WakeUp,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import { SecretBox } from '../platform/secret-box.js';
import { MESSAGE_KINDS, type MessageKind } from './message.js';
import {
  insertAccountMail,
  insertBatchMails,
  type NewAccountMail,
  type NewNotification,
  type SealedMessage,
  selectDueMessages,
  selectWebhooksToSeal,
  updateSealedMessages,
} from './outbox.sql.js';

/**
 * The Bull queues of the outbox. Redis may be down: no method throws or takes long. Each kind has its own queue,
 * because kinds in one queue would share its slots and webhooks wait for hosts that we do not control.
 */
@Injectable()
export class DeliveryQueues {
  private readonly logger = new Logger(DeliveryQueues.name);
  private readonly queues: Readonly<Record<MessageKind, Queue<DeliveryJob>>>;

  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) batchMails: Queue<DeliveryJob>,
    @InjectQueue(BEHAVIOR_QUEUE) behaviorMails: Queue<DeliveryJob>,
    @InjectQueue(WEBHOOK_QUEUE) webhooks: Queue<DeliveryJob>,
  ) {
    this.queues = {
      batch_mail: batchMails,
      account_mail: batchMails,
      behavior_mail: behaviorMails,
      batch_webhook: webhooks,
      behavior_webhook: webhooks,
    };
  }

  add(kind: MessageKind, wakeUps: readonly WakeUp<DeliveryJob>[]): Promise<void> {
    return addWakeUps(this.queues[kind], wakeUps, this.logger);
  }
}

interface WakeLimits {
  /** How many due messages of a receiver Redis should hold at a time; more follow as these are sent. */
  perReceiver: number;
  /** A due message is woken at most once in this period, so that repeated checks do not pile up jobs in Redis. */
  againAfterMs: number;
}

/**
 * A wake-up of a webhook is dropped if its host is busy, so wake-ups of webhooks repeat sooner. 32 are enough for
 * several workers, because each attempt that ends wakes the next webhook to its host.
 */
const LIMITS: Readonly<Record<MessageKind, WakeLimits>> = {
  batch_mail: { perReceiver: 1_000, againAfterMs: 30_000 },
  account_mail: { perReceiver: 1_000, againAfterMs: 30_000 },
  behavior_mail: { perReceiver: 1_000, againAfterMs: 30_000 },
  batch_webhook: { perReceiver: 32, againAfterMs: 5_000 },
  behavior_webhook: { perReceiver: 32, againAfterMs: 5_000 },
};

/**
 * The messages to deliver (ADR 26). They live in PostgreSQL, written together with the change that causes them; a job
 * in Redis only wakes a sender. A redundant job is harmless because it finds nothing to claim, and a lost job is
 * created again.
 */
@Injectable()
export class Outbox {
  constructor(
    private readonly database: DatabaseService,
    private readonly queues: DeliveryQueues,
  ) {}

  /**
   * Stores one mail per recipient, once per batch and kind; returns their ids, even if they were stored before. Call
   * `wake` after the commit.
   */
  addBatchMails(transaction: Transaction, mail: NewNotification): Promise<number[]> {
    return insertBatchMails(transaction, mail);
  }

  /** Stores a mail with a link to an account; returns its id. Call `wake` after the commit. */
  addAccountMail(transaction: Transaction, mail: NewAccountMail): Promise<number> {
    return insertAccountMail(transaction, mail);
  }

  /**
   * Wakes the senders of messages soon, or after a delay. Never throws and never waits long for Redis: a message that
   * is not woken now is woken when it is due. PostgreSQL decides when a message is due.
   */
  wake(kind: MessageKind, ids: readonly number[], delayMs?: number): Promise<void> {
    return this.queues.add(
      kind,
      ids.map((messageId) => ({ job: { messageId, kind }, ...(delayMs !== undefined && { delayMs }) })),
    );
  }

  /** Wakes the senders of every due message, including messages whose sender fell silent. */
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
        job: { messageId: id, kind },
        // The id contains the attempt, so that the job of a failed attempt never blocks the next one.
        jobId: `${id}.${attempts}.${resends}.${period}`,
      })),
    );
  }
}

/**
 * Chunks commit behaviors without waking a sender, so only this check finds them. Per kind it costs one probe of an
 * index that is usually empty.
 */
const LOOK_EVERY_MS = 1_000;

/** Periodically wakes due messages, in every worker. */
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

/** Rows per transaction, so that no sender waits for long. */
const STEP_ROWS = 1_000;

/**
 * Encrypts the URLs and secrets of the webhooks in the outbox with the present key at every start, as those of workflow
 * definitions are: those that an earlier version stored in clear, and those with a key that is to be removed.
 */
@Injectable()
export class OutboxSecretsAtRest implements OnApplicationBootstrap {
  private readonly logger = new Logger(OutboxSecretsAtRest.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
  ) {}

  /** A start does not fail because of secrets: everything else works without them. */
  async onApplicationBootstrap(): Promise<void> {
    const prefix = this.secrets.currentPrefix;
    if (prefix === null) return;
    try {
      let sealed = 0;
      for (let after: number | null = 0; after !== null;) {
        const from: number = after;
        const step = await this.database.transaction((transaction) => this.seal(transaction, from, prefix));
        sealed += step.sealed;
        after = step.last;
      }
      if (sealed > 0) this.logger.log(`${sealed} webhooks in the outbox are encrypted with the present key.`);
    } catch (error) {
      this.logger.error('Webhooks in the outbox could not be encrypted', error);
    }
  }

  /** `last` is `null` after the last row, or while another process is at it. */
  private async seal(
    transaction: Transaction,
    after: number,
    prefix: string,
  ): Promise<{ sealed: number; last: number | null }> {
    if (!(await tryLock(transaction, 'outboxSecrets'))) return { sealed: 0, last: null };
    const webhooks = await selectWebhooksToSeal(transaction, { after, limit: STEP_ROWS, prefix });
    const changed = webhooks.flatMap((webhook) => this.sealed(webhook));
    await updateSealedMessages(transaction, changed);
    return { sealed: changed.length, last: webhooks.at(-1)?.id ?? null };
  }

  /** Empty if the key of a value is gone. */
  private sealed({ id, recipient, secret }: SealedMessage): SealedMessage[] {
    try {
      const url = this.secrets.seal(recipient);
      return [{ id, recipient: url, secret: secret === null ? null : this.secrets.seal(secret) }];
    } catch (error) {
      this.logger.error(`Webhook ${id}: ${String(error)}`);
      return [];
    }
  }
}
