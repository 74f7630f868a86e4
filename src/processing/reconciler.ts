import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { selectBatchesWithRoom, selectEndedBatchIds } from '../batches/batches.sql.js';
import { jobIdOf, requeueChunks, selectStaleChunks } from '../batches/chunks.sql.js';
import { NotificationOutbox } from '../delivery/notification-outbox.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Transaction } from '../platform/database/transaction.js';
import { BatchFinisher } from './batch-finisher.js';
import { ChunkQueue } from './chunk-queue.js';
import { ChunkScheduler } from './chunk-scheduler.js';

/** Any number, the same in every worker of an installation. */
const RECONCILER_LOCK = 7_163_001;

/** Answers whether the transaction holds the lock now; it is free again when the transaction, or its worker, ends. */
async function tryReconcilerLock(transaction: Transaction): Promise<boolean> {
  const { rows } = await transaction.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1) AS locked',
    [RECONCILER_LOCK],
  );
  return rows[0]?.locked === true;
}

/**
 * Makes the queue agree with PostgreSQL, at start and ever after: what Redis lost is queued again, what nobody queued
 * is queued, what nobody ended is ended. All of it is safe to do at any time; the lock only saves the workers from
 * doing it all at once.
 */
@Injectable()
export class Reconciler implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(Reconciler.name);
  private timer: NodeJS.Timeout | undefined;
  private pass: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly database: DatabaseService,
    private readonly queue: ChunkQueue,
    private readonly scheduler: ChunkScheduler,
    private readonly finisher: BatchFinisher,
    private readonly notifications: NotificationOutbox,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.runAndRepeat();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.pass;
  }

  /** One comparison. Answers `false` when another worker is at it. */
  reconcile(): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      if (!(await tryReconcilerLock(transaction))) return false;
      await this.requeueLost();
      for (const batchId of await selectBatchesWithRoom(this.database, this.config.chunkWindow)) {
        await this.scheduler.fill(batchId);
      }
      for (const batchId of await selectEndedBatchIds(this.database)) {
        await this.finisher.finishIfDone(batchId);
      }
      await this.notifications.wakeDue();
      return true;
    });
  }

  private async requeueLost(): Promise<void> {
    const stale = await selectStaleChunks(this.database, this.config.reconcileIntervalMs);
    if (stale.length === 0) return;
    const jobs = await this.queue.waitingJobIds();
    if (jobs === null) return;
    const lost = stale.filter((chunk) => {
      const id = jobIdOf(chunk);
      return !jobs.waiting.has(id) && (chunk.overdue || !jobs.delayed.has(id));
    });
    if (lost.length === 0) return;
    const requeued = await requeueChunks(this.database, lost);
    if (requeued.length === 0) return;
    this.logger.warn({ message: 'chunks without a job were queued again', chunks: requeued.length });
    await this.queue.add(requeued);
  }

  private runAndRepeat(): void {
    this.pass = this.reconcile()
      .then(() => undefined)
      .catch((error: unknown) => {
        const stack = error instanceof Error ? error.stack : String(error);
        this.logger.error({ message: 'the queue could not be compared with the database' }, stack);
      })
      .finally(() => {
        if (this.stopped) return;
        // Jittered, so that workers that were started together do not ask together for ever.
        const pause = this.config.reconcileIntervalMs * (0.75 + Math.random() / 2);
        this.timer = setTimeout(() => this.runAndRepeat(), pause);
      });
  }
}
