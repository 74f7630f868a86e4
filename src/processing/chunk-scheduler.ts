import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Queue } from 'bull';
import { addressesIn } from '../batches/batch-state.js';
import { type BatchStatus, finalStatus } from '../batches/batch-state.js';
import {
  type EndedBatch,
  endLocked,
  hasEnded,
  lockEndedBatch,
  lockWindow,
  transition,
} from '../batches/batches.sql.js';
import { takeDuePause } from '../batches/control.sql.js';
import { jobIdOf, type QueuedChunk, queueNextChunks } from '../batches/chunks.sql.js';
import type { NotificationKind } from '../delivery/message.js';
import { Outbox } from '../delivery/outbox.js';
import { TimeoutError, withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { errorMessage, errorStack } from '../platform/errors.js';
import { faultPoint, publishMeasurement } from '../platform/instrumentation.js';
import { CHUNK_QUEUE, type ChunkJob, isConnected, REDIS_LIMIT_MS } from '../platform/queue/queues.js';

const REPEAT_SAME_ERROR_AFTER_MS = 60_000;

/**
 * The first retries are quick, for a deadlock or a lost connection; later ones are less frequent: 1/4, 3/4, 7/4 … 16 s.
 * After the last retry the job is gone and the reconciler adds a new one. So a chunk is retried without limit, at a
 * bounded rate.
 */
const RETRIES = { attempts: 7, backoff: { type: 'exponential', delay: 250 } } as const;

/** How long a chunk lets the first chunks of other batches pass. */
const LETS_PASS_MS = 2_000;

/**
 * The place of a chunk in the queue, as the time of its turn in milliseconds since 1970: Bull takes the lowest first. The
 * first chunk of a batch goes before the later chunks of others that were queued in the last two seconds, so that a
 * small batch does not wait behind the window of a large one, and a stream of small batches does not stop the large one.
 */
function turnOf({ chunkNumber, queuedAt }: QueuedChunk): number {
  return Math.floor(queuedAt / 1000) + (chunkNumber === 1 ? 0 : LETS_PASS_MS);
}

/** The chunk queue in Redis. Redis may be unavailable, so no method throws or takes long. */
@Injectable()
export class ChunkQueue implements OnModuleInit {
  private readonly logger = new Logger(ChunkQueue.name);
  /** Commands that timed out and are still unanswered. While there are any, Redis counts as unavailable. */
  private unanswered = 0;
  private lastError = { message: '', at: 0 };

  constructor(@InjectQueue(CHUNK_QUEUE) private readonly queue: Queue<ChunkJob>) {}

  onModuleInit(): void {
    this.queue.on('error', (error) => this.report(error));
  }

  /** Adds a job per chunk. Answers whether Redis has stored the jobs. */
  async add(chunks: readonly QueuedChunk[]): Promise<boolean> {
    if (chunks.length === 0) return true;
    const jobs = chunks.map((chunk) => ({
      data: { batchId: chunk.batchId, chunkNumber: chunk.chunkNumber },
      opts: { ...RETRIES, jobId: jobIdOf(chunk), priority: turnOf(chunk) },
    }));
    return (await this.patiently(() => this.queue.addBulk(jobs))) !== null;
  }

  /**
   * The ids of the jobs that will still run; `null` if Redis does not answer. Delayed jobs are listed separately,
   * because their due time comes from some worker's clock, which may be wrong by days. Active jobs are left out: the
   * row lock shows whether a worker really processes the chunk, because it is released when the worker dies.
   */
  async waitingJobIds(): Promise<{ waiting: Set<string>; delayed: Set<string> } | null> {
    const lists = await this.patiently(() =>
      Promise.all([
        this.queue.client.lrange(this.queue.toKey('wait'), 0, -1),
        this.queue.client.lrange(this.queue.toKey('paused'), 0, -1),
        this.queue.client.zrange(this.queue.toKey('delayed'), 0, -1),
      ]),
    );
    if (lists === null) return null;
    const [wait, paused, delayed] = lists;
    return { waiting: new Set([...wait, ...paused]), delayed: new Set(delayed) };
  }

  private async patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
    if (this.unanswered > 0 || !isConnected(this.queue)) return null;
    const answer = ask();
    try {
      return await withTimeout(REDIS_LIMIT_MS, answer);
    } catch (error) {
      this.report(error);
      if (error instanceof TimeoutError) this.awaitLateAnswer(answer);
      return null;
    }
  }

  private awaitLateAnswer(answer: Promise<unknown>): void {
    this.unanswered += 1;
    void answer
      .catch(() => undefined)
      .finally(() => {
        this.unanswered -= 1;
      });
  }

  /** Reconnecting clients repeat the same error; the log need not repeat it. */
  private report(error: unknown): void {
    const message = errorMessage(error);
    const now = Date.now();
    if (message === this.lastError.message && now - this.lastError.at < REPEAT_SAME_ERROR_AFTER_MS) return;
    this.lastError = { message, at: now };
    this.logger.warn({ message: 'Redis: queued chunks wait for it to come back', error: message });
  }
}

export interface OwedNotification {
  kind: NotificationKind;
  recipients: string[];
}

type End = Pick<EndedBatch, 'invalid' | 'failed' | 'unknown' | 'sendSuccessEmailTo' | 'sendFailureEmailTo'>;

/**
 * The mails that the end of a batch requires, if any. A canceled batch requires a failure mail only if records
 * had failed before: the user who canceled it already knows about the cancellation.
 */
export function owedNotification(status: BatchStatus, end: End): OwedNotification | null {
  if (status === 'completed') return addressed('success', end.sendSuccessEmailTo);
  if (status === 'canceled' && end.invalid + end.failed + end.unknown === 0) return null;
  return addressed('failure', end.sendFailureEmailTo);
}

function addressed(kind: NotificationKind, list: string | null): OwedNotification | null {
  return list === null ? null : { kind, recipients: addressesIn(list) };
}

/** Writes the end of a batch exactly once, and records the mail to send in the same transaction. */
@Injectable()
export class BatchFinisher {
  private readonly logger = new Logger(BatchFinisher.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Answers whether this call ended the batch. Never throws: the caller's work is already committed, and the reconciler
   * ends a batch that could not be ended now.
   * @param isOver whether the caller knows that all its chunks are done
   */
  async finishIfDone(batchId: number, isOver = false): Promise<boolean> {
    try {
      if (!isOver && !(await hasEnded(this.database, batchId))) return false;
      const end = await this.database.transaction((transaction) => this.finish(transaction, batchId));
      if (end === null) return false;
      await this.announce(end);
      return true;
    } catch (error) {
      this.logger.error(
        { message: 'batch could not be ended, the reconciler will', batchId },
        errorStack(error),
      );
      return false;
    }
  }

  /**
   * Writes the end of a batch whose chunks are all done, in the transaction. Call `announce` after the commit. Answers
   * `null` if the batch has not ended, or if its end is written.
   * @param startsNow the batch began with this transaction if it is not marked as started
   */
  async finish(transaction: Transaction, batchId: number, startsNow = false): Promise<WrittenEnd | null> {
    const batch = await lockEndedBatch(transaction, batchId, startsNow);
    if (batch === undefined) return null;
    const status = finalStatus(batch.status, batch);
    const owed = owedNotification(status, batch);
    transaction.withCommit(() => endLocked(transaction, batchId, batch, status, startsNow));
    const mailIds = owed === null ? [] : await this.outbox.addBatchMails(transaction, { batchId, ...owed });
    faultPoint('batch.before-end-commit');
    return { batchId, status, seconds: batch.seconds, mailIds };
  }

  /** Reports an end that is committed, and wakes the senders of its mails. */
  async announce({ batchId, status, seconds, mailIds }: WrittenEnd): Promise<void> {
    faultPoint('batch.after-end-commit');
    publishMeasurement('batch', { status, seconds });
    this.logger.log({ message: 'batch ended', batchId, status });
    if (mailIds.length > 0) await this.outbox.wake('batch_mail', mailIds);
  }
}

/** The end of a batch, as a transaction has written it. */
export interface WrittenEnd {
  batchId: number;
  status: BatchStatus;
  seconds: number;
  mailIds: number[];
}

/**
 * Queues the chunks of a batch a few at a time. The next chunk of a batch goes to the tail of the queue, so that
 * batches take turns, and Redis stays small for a batch of any size.
 */
@Injectable()
export class ChunkScheduler {
  private readonly logger = new Logger(ChunkScheduler.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly queue: ChunkQueue,
    private readonly finisher: BatchFinisher,
    private readonly config: AppConfig,
  ) {}

  /**
   * Moves a batch one step forward: ends it if all its chunks are done, else queues its next chunks. Does nothing for a
   * batch that needs neither, such as a paused one. Never throws: the caller's work is committed, and the reconciler
   * repeats a step that fails here.
   * @param isOver whether the caller knows that all chunks of the batch are done
   */
  async advance(batchId: number, isOver = false): Promise<void> {
    if (!(await this.finisher.finishIfDone(batchId, isOver))) await this.fill(batchId);
  }

  /**
   * Lets a new batch that has records to process begin. Never throws, as `advance`.
   * @param queued the chunks that were queued with it, if any
   */
  async begin(batchId: number, queued: readonly QueuedChunk[]): Promise<void> {
    if (queued.length === 0) return this.fill(batchId);
    faultPoint('chunk.before-enqueue');
    await this.queue.add(queued);
  }

  /** Queues the next chunks of the batch while its window has room. Never throws and never waits long for Redis. */
  private async fill(batchId: number): Promise<void> {
    try {
      const chunks = await this.queueNext(batchId);
      if (chunks.length > 0) faultPoint('chunk.before-enqueue');
      await this.queue.add(chunks);
    } catch (error) {
      this.logger.error(
        { message: 'chunks could not be queued, the reconciler will', batchId },
        errorStack(error),
      );
    }
  }

  private queueNext(batchId: number): Promise<QueuedChunk[]> {
    return this.database.transaction(async (transaction) => {
      const window = await lockWindow(transaction, batchId, this.config.chunkWindow);
      if (window === null) return [];
      const pause = window.mayPause ? await takeDuePause(transaction, batchId) : null;
      if (pause === null) return queueNextChunks(transaction, batchId, window);
      await transition(transaction, batchId, window.status, 'paused', { pause });
      this.logger.log({ message: 'batch paused', batchId, reason: pause.reason, detail: pause.detail });
      return [];
    });
  }
}
