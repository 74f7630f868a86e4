import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { deleteEndedSessions } from '../../auth/sessions.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import {
  deleteBehaviorsOfBatch,
  deleteBehaviorsOfNoBatch,
  deleteIdempotencyKeys,
  deleteStep,
  expireBatches,
  nextBatchToEmpty,
  selectEmptiedWithBehaviors,
  tryRetentionLock,
} from './retention.sql.js';

/** Records of one transaction: some tens of milliseconds, which nobody waits for noticeably. */
const STEP_RECORDS = 10_000;
const STEP_ROWS = 1_000;
/** Between steps, as long as the step took: at most half of one core of PostgreSQL is busy with deleting. */
const PAUSE_AT_LEAST_MS = 5;

/** What one sweep did. */
export interface Sweep {
  expired: number;
  records: number;
  batches: number;
  keys: number;
  behaviors: number;
  sessions: number;
}

/**
 * Deletes what is past its retention, in small steps: first a batch is marked, and answers 410 from then on; an
 * interval later its records go, chunk by chunk, and with them what they have sent. The batch row stays, with its
 * counts. A step that was interrupted has either happened or not: the next sweep goes on.
 */
@Injectable()
export class RetentionSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(RetentionSweeper.name);
  private readonly stop = new AbortController();
  private pass: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.sweepLater();
  }

  async onModuleDestroy(): Promise<void> {
    this.stop.abort();
    clearTimeout(this.timer);
    await this.pass;
  }

  /** Answers `null` when another worker is at it. The lock is a transaction's own, which is idle meanwhile. */
  sweep(): Promise<Sweep | null> {
    return this.database.transaction(async (lock) => {
      if (!(await tryRetentionLock(lock))) return null;
      const { retentionDays, idempotencyKeyHours } = this.config;
      // It sits idle for as long as the sweep takes, by intention.
      await lock.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      const expired = await this.repeat((limit) => expireBatches(this.database, retentionDays, limit));
      const emptied = await this.emptyBatches();
      const keys = await this.repeat((limit) =>
        deleteIdempotencyKeys(this.database, idempotencyKeyHours, limit),
      );
      const behaviors = await this.deleteBehaviors();
      const sessions = await this.repeat((limit) => deleteEndedSessions(this.database, limit));
      return { expired, ...emptied, keys, behaviors, sessions };
    });
  }

  private async emptyBatches(): Promise<{ records: number; batches: number }> {
    const done = { records: 0, batches: 0 };
    while (!this.stop.signal.aborted) {
      const batchId = await nextBatchToEmpty(this.database, this.config.retentionIntervalMs);
      if (batchId === null) break;
      const begun = performance.now();
      const { deleted, emptied } = await this.database.transaction((transaction) =>
        deleteStep(transaction, batchId, STEP_RECORDS),
      );
      done.records += deleted;
      done.batches += emptied ? 1 : 0;
      await this.rest(begun);
    }
    return done;
  }

  private async deleteBehaviors(): Promise<number> {
    const { retentionDays } = this.config;
    let all = 0;
    for (const batchId of await selectEmptiedWithBehaviors(this.database)) {
      all += await this.repeat((limit) => deleteBehaviorsOfBatch(this.database, batchId, limit));
    }
    if (retentionDays === 0) return all;
    return (
      all + (await this.repeat((limit) => deleteBehaviorsOfNoBatch(this.database, retentionDays, limit)))
    );
  }

  private async repeat(step: (limit: number) => Promise<number>): Promise<number> {
    let all = 0;
    while (!this.stop.signal.aborted) {
      const begun = performance.now();
      const count = await step(STEP_ROWS);
      all += count;
      if (count < STEP_ROWS) break;
      await this.rest(begun);
    }
    return all;
  }

  private async rest(begun: number): Promise<void> {
    const pause = Math.max(PAUSE_AT_LEAST_MS, performance.now() - begun);
    await delay(pause, undefined, { signal: this.stop.signal }).catch(() => undefined);
  }

  private sweepLater(): void {
    // Jittered, so that workers that were started together do not ask together for ever.
    const pause = this.config.retentionIntervalMs * (0.75 + Math.random() / 4);
    this.timer = setTimeout(() => {
      this.pass = this.sweep()
        .then((sweep) => this.report(sweep))
        .catch((error: unknown) => {
          const stack = error instanceof Error ? error.stack : String(error);
          this.logger.error({ message: 'what is past its retention could not be deleted' }, stack);
        })
        .finally(() => {
          if (!this.stop.signal.aborted) this.sweepLater();
        });
    }, pause).unref();
  }

  private report(sweep: Sweep | null): void {
    if (sweep === null || Object.values(sweep).every((count) => count === 0)) return;
    this.logger.log({ message: 'deleted what was past its retention', ...sweep });
  }
}
