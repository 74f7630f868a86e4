import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { deleteExpiredLinks } from '../auth/account-links.sql.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import { AuditKeeper } from '../auth/audit-trail.js';
import { AuthModule } from '../auth/auth.module.js';
import { deleteEndedSessions } from '../auth/sessions.service.js';
import { abandonBatch, transition } from '../batches/batches.sql.js';
import {
  deleteIdempotencyKeys,
  deleteStep,
  dropPartition,
  expireBatches,
  lockLongPaused,
  nextBatchToEmpty,
  selectDroppable,
  selectEmptiedWithBehaviors,
} from '../batches/retention.sql.js';
import { deleteUploadsWithoutBatch, lockUnconfirmed, oweMailsOfExpiring } from '../batches/uploads.sql.js';
import { deleteBehaviorsOfBatch, deleteBehaviorsOfNoBatch } from '../delivery/outbox.sql.js';
import { WorkLoop } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { whileLocked } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { errorMessage } from '../platform/errors.js';
import { faultPoint } from '../platform/instrumentation.js';

/** Records per transaction: some tens of milliseconds, a wait that no one notices. */
const STEP_RECORDS = 10_000;
const STEP_ROWS = 1_000;
/**
 * The pause between steps is as long as the step took, so that deleting uses at most half of one core of PostgreSQL.
 */
const PAUSE_AT_LEAST_MS = 5;
const SHOW_LIFE_EVERY_MS = 5_000;

const note = (transaction: Transaction, batchId: number, details: Record<string, string>) =>
  writeAudit(transaction, {
    actor: 'retention',
    action: 'batch_status_changed',
    subject: `batch:${batchId}`,
    details,
  });

/** The result of one sweep. */
export interface Sweep {
  /** Uploads that no one confirmed in time. */
  abandoned: number;
  /** Batches that were paused for too long. */
  canceled: number;
  expired: number;
  records: number;
  batches: number;
  /** Ranges of batches whose records were dropped as a whole. */
  partitions: number;
  keys: number;
  behaviors: number;
  sessions: number;
  auditEvents: number;
  /** Files that never became an upload. */
  files: number;
}

/**
 * Deletes data past its retention in small steps. First a batch is marked, and answers 410 from then on. One interval
 * later its records are deleted, together with the messages they have sent: with their partition if all of its batches
 * have expired, else chunk by chunk. The batch row stays, with its counts. An interrupted step has either happened or not: the next sweep continues.
 * Why: ADR 15, ADR 41.
 */
@Injectable()
export class RetentionSweeper extends WorkLoop {
  private showLife: () => Promise<unknown> = () => Promise.resolve();

  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
    private readonly audit: AuditKeeper,
  ) {
    super({
      intervalMs: config.retentionIntervalMs,
      begins: 'after a pause',
      failure: 'what is past its retention could not be deleted',
    });
  }

  protected override async pass(): Promise<void> {
    const sweep = await this.sweep();
    if (sweep === null || Object.values(sweep).every((count) => count === 0)) return;
    this.logger.log({ message: 'deleted what was past its retention', ...sweep });
  }

  /**
   * Returns `null` while another worker sweeps. The transaction that holds the lock shows that it is alive after each
   * step: if this process freezes, PostgreSQL ends the idle transaction, and another worker sweeps.
   */
  sweep(): Promise<Sweep | null> {
    return whileLocked(this.database, 'retention', async (lock) => {
      const { retentionDays, idempotencyKeyHours, auditRetentionDays } = this.config;
      this.showLife = () => lock.query('SELECT');
      faultPoint('retention.in-sweep');
      const abandoned = await this.abandonUnconfirmed();
      const canceled = await this.cancelLongPaused();
      const expired = await this.repeat((limit) => expireBatches(this.database, retentionDays, limit));
      const partitions = await this.dropPartitions();
      const emptied = await this.emptyBatches();
      const keys = await this.repeat((limit) =>
        deleteIdempotencyKeys(this.database, idempotencyKeyHours, limit),
      );
      const behaviors = await this.deleteBehaviors();
      const sessions = await this.repeat((limit) => deleteEndedSessions(this.database, limit));
      await this.repeat((limit) => deleteExpiredLinks(this.database, limit));
      const auditEvents = await this.repeat((limit) => this.audit.deletePast(auditRetentionDays, limit));
      const files = await this.repeat((limit) => deleteUploadsWithoutBatch(this.database, limit));
      return {
        abandoned,
        canceled,
        expired,
        partitions,
        ...emptied,
        keys,
        behaviors,
        sessions,
        auditEvents,
        files,
      };
    });
  }

  /** Abandons uploads that no one confirmed in time. Their retention period begins then. */
  private async abandonUnconfirmed(): Promise<number> {
    const { unconfirmedHours } = this.config;
    if (unconfirmedHours === 0) return 0;
    await this.repeat((limit) => oweMailsOfExpiring(this.database, unconfirmedHours, limit));
    return this.oneByOne(async (transaction) => {
      const [batchId] = await lockUnconfirmed(transaction, unconfirmedHours, 1);
      if (batchId === undefined) return false;
      await abandonBatch(transaction, batchId);
      await note(transaction, batchId, { action: 'abandon', from: 'awaiting_confirmation', to: 'canceled' });
      return true;
    });
  }

  /**
   * Cancels batches that were paused for as long as their records may be kept. Workers end them, and their retention
   * period begins then.
   */
  private cancelLongPaused(): Promise<number> {
    return this.oneByOne(async (transaction) => {
      const [batchId] = await lockLongPaused(transaction, this.config.retentionDays, 1);
      if (batchId === undefined) return false;
      await transition(transaction, batchId, 'paused', 'canceling');
      await note(transaction, batchId, { action: 'cancel', from: 'paused', to: 'canceling' });
      return true;
    });
  }

  /** One batch per transaction, until there is none left. Returns how many there were. */
  private async oneByOne(step: (transaction: Transaction) => Promise<boolean>): Promise<number> {
    let count = 0;
    while (!this.stopSignal.aborted) {
      const begun = performance.now();
      if (!(await this.database.transaction(step))) break;
      count += 1;
      await this.rest(begun);
    }
    return count;
  }

  /**
   * Drops the records of ranges whose batches have all expired. The rest of these batches is then emptied like that of any
   * other. What cannot be dropped now is left to the next sweep.
   */
  private async dropPartitions(): Promise<number> {
    let dropped = 0;
    for (const first of await selectDroppable(this.database, this.config.retentionIntervalMs)) {
      if (this.stopSignal.aborted) break;
      const showLife = setInterval(() => void this.showLife().catch(() => undefined), SHOW_LIFE_EVERY_MS);
      try {
        const isGone = await dropPartition(
          this.database,
          first,
          this.config.retentionIntervalMs,
          this.stopSignal,
        );
        if (isGone) dropped += 1;
      } catch (error) {
        this.logger.warn({ message: 'a partition could not be dropped', first, error: errorMessage(error) });
      } finally {
        clearInterval(showLife);
      }
    }
    return dropped;
  }

  private async emptyBatches(): Promise<{ records: number; batches: number }> {
    const done = { records: 0, batches: 0 };
    while (!this.stopSignal.aborted) {
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
    while (!this.stopSignal.aborted) {
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
    await this.showLife();
    await delay(pause, undefined, { signal: this.stopSignal }).catch(() => undefined);
  }
}

/** Retention: the data that a worker process deletes, and the time of deletion. */
@Module({ imports: [AuthModule], providers: [RetentionSweeper], exports: [RetentionSweeper] })
export class RetentionModule {}
