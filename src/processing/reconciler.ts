import { Injectable } from '@nestjs/common';
import { claimDueProbes, selectBatchesWithRoom, selectEndedBatchIds } from '../batches/batches.sql.js';
import { jobIdOf, queueProbe, requeueChunks, selectStaleChunks } from '../batches/chunks.sql.js';
import { WorkLoop } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { whileLocked } from '../platform/database/advisory-locks.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { ChunkQueue, ChunkScheduler } from './chunk-scheduler.js';
import { FrozenCopies } from './frozen-copies.js';

/**
 * Keeps the queue consistent with PostgreSQL, at start and regularly after it. Requeues chunks that Redis lost, queues
 * chunks that were never queued, and ends batches whose end was not written. Each step is safe at any time; the lock
 * only keeps the workers from doing the same work at the same time.
 * Why: ADR 1.
 */
@Injectable()
export class Reconciler extends WorkLoop {
  private readonly frozenCopies: FrozenCopies;

  constructor(
    private readonly database: DatabaseService,
    private readonly queue: ChunkQueue,
    private readonly scheduler: ChunkScheduler,
    private readonly config: AppConfig,
  ) {
    super({
      intervalMs: config.reconcileIntervalMs,
      begins: 'at once',
      failure: 'the queue could not be compared with the database',
    });
    this.frozenCopies = new FrozenCopies(2 * (config.receiveIdleMs || Infinity));
  }

  protected override pass(): Promise<boolean> {
    return this.reconcile();
  }

  /** Runs one comparison. Answers `false` if another worker is running one. */
  async reconcile(): Promise<boolean> {
    const done = await whileLocked(this.database, 'reconciler', async () => {
      await this.requeueLost();
      await this.endFrozenCopies();
      await this.probePaused();
      const withRoom = await selectBatchesWithRoom(this.database, this.config.chunkWindow);
      const ended = await selectEndedBatchIds(this.database);
      for (const batchId of [...withRoom, ...ended]) await this.scheduler.advance(batchId);
      return true;
    });
    return done ?? false;
  }

  private async endFrozenCopies(): Promise<void> {
    const ended = await this.frozenCopies.end(this.database);
    if (ended > 0)
      this.logger.warn({ message: 'ended sessions of frozen processes in COPY', sessions: ended });
  }

  /** Tries one chunk of each batch that a fault paused and whose next probe is due. */
  private async probePaused(): Promise<void> {
    for (const batchId of await claimDueProbes(this.database)) {
      await this.queue.add(await queueProbe(this.database, batchId));
    }
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
}
