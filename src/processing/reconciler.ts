import { Injectable } from '@nestjs/common';
import { statusAfter } from '../batches/batch-state.js';
import {
  claimDueProbes,
  lockBatch,
  selectBatchesWithRoom,
  selectEndedBatchIds,
  transition,
} from '../batches/batches.sql.js';
import { jobIdOf, queueProbe, requeueChunks, selectStaleChunks } from '../batches/chunks.sql.js';
import { markExpired, selectExpiring } from '../batches/control.sql.js';
import { createPartitions } from '../batches/retention.sql.js';
import { compactStatistics, sampleStorage } from '../batches/statistics.sql.js';
import { WorkLoop } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { whileLocked } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { ChunkQueue, ChunkScheduler } from './chunk-scheduler.js';

/** Batches that expire in one pass; the next pass takes the others. */
const MOST_EXPIRED = 100;

/**
 * Keeps the queue consistent with PostgreSQL, at start and regularly after it. Requeues chunks that Redis lost, queues
 * chunks that were never queued, and ends batches whose end was not written. Creates partitions ahead of use. Each step is safe at any time; the lock
 * only keeps the workers from doing the same work at the same time.
 * Why: ADR 1.
 */
@Injectable()
export class Reconciler extends WorkLoop {
  private readonly frozenCopies: FrozenCopies;
  /** The hour whose statistics need nothing more, in hours since 1970. */
  private keptHour = 0;

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
      await createPartitions(this.database, this.config.partitionBatches);
      await this.requeueLost();
      await this.endFrozenCopies();
      await this.probePaused();
      await this.expireDue();
      const withRoom = await selectBatchesWithRoom(this.database, this.config.chunkWindow);
      const ended = await selectEndedBatchIds(this.database);
      for (const batchId of [...withRoom, ...ended]) await this.scheduler.advance(batchId);
      await this.keepStatistics();
      return true;
    });
    return done ?? false;
  }

  /** Once an hour, soon after its beginning. */
  private async keepStatistics(): Promise<void> {
    const hour = Math.floor(Date.now() / 3_600_000);
    if (hour === this.keptHour) return;
    await sampleStorage(this.database);
    await this.database.transaction((transaction) => compactStatistics(transaction));
    this.keptHour = hour;
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

  /** Lets the remaining records of batches whose time is over be canceled; a paused one goes on for that. */
  private async expireDue(): Promise<void> {
    for (const batchId of await selectExpiring(this.database, MOST_EXPIRED)) {
      await this.database.transaction(async (transaction) => {
        const batch = await lockBatch(transaction, batchId);
        if (batch === undefined) return;
        await markExpired(transaction, batchId);
        const resumed = statusAfter('resume', batch);
        if (resumed !== null) await transition(transaction, batchId, batch.status, resumed);
      });
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

interface OpenCopy {
  /** Distinguishes the COPY from every earlier and later one. */
  key: string;
  pid: number;
  /** Bytes that have arrived. */
  bytes: number;
}

/** Our COPYs that wait for their client. PostgreSQL's time limit for idle transactions does not apply to them. */
async function selectWaitingCopies(sql: Sql): Promise<OpenCopy[]> {
  const { rows } = await sql.query<OpenCopy>(
    `SELECT concat_ws('/', activity.pid, activity.backend_start, activity.query_start) AS key, activity.pid,
            progress.bytes_processed AS bytes
       FROM pg_stat_progress_copy progress
       JOIN pg_stat_activity activity USING (pid)
      WHERE progress.datname = current_database() AND progress.command = 'COPY FROM'
        AND activity.application_name = current_setting('application_name') AND activity.usename = current_user
        AND activity.wait_event = 'ClientRead'`,
  );
  return rows;
}

/** Ends the sessions, and answers how many there were. */
async function endSessions(sql: Sql, pids: readonly number[]): Promise<number> {
  const { rowCount } = await sql.query(
    'SELECT pid FROM unnest($1::integer[]) AS pid WHERE pg_terminate_backend(pid)',
    [pids],
  );
  return rowCount;
}

/**
 * Finds COPYs whose process is frozen. Such a process holds its transaction, with its locks and the horizon of VACUUM,
 * as long as it exists. A running process writes data or ends its COPY within the time limit (see `BatchWriter`).
 */
class FrozenCopies {
  private readonly seen = new Map<string, { bytes: number; since: number }>();

  constructor(private readonly limitMs: number) {}

  /** Ends the COPYs that have received no data for longer than the limit; answers how many. */
  async end(sql: Sql): Promise<number> {
    const open = await selectWaitingCopies(sql);
    const now = performance.now();
    const keys = new Set(open.map(({ key }) => key));
    for (const key of this.seen.keys()) if (!keys.has(key)) this.seen.delete(key);
    const frozen = open.filter(({ key, bytes }) => {
      const before = this.seen.get(key);
      if (before?.bytes !== bytes) this.seen.set(key, { bytes, since: now });
      return before?.bytes === bytes && now - before.since > this.limitMs;
    });
    return frozen.length === 0
      ? 0
      : endSessions(
          sql,
          frozen.map(({ pid }) => pid),
        );
  }
}
