import { Injectable, Logger } from '@nestjs/common';
import { isUnfinished, PROCESSABLE } from '../batches/batch-state.js';
import {
  lockBatch,
  type RunningBatch,
  selectRunningBatch,
  startBatch,
  transition,
  writeBatchFault,
} from '../batches/batches.sql.js';
import {
  handBackChunk,
  lockChunk,
  type LockedChunk,
  type OpenChunk,
  selectOpenChunksUpTo,
  writeChunkFault,
  writeChunkProgress,
} from '../batches/chunks.sql.js';
import {
  cancelRecords,
  endInterrupted,
  NO_OUTCOMES,
  type OutcomeCounts,
  selectPendingRecords,
  selectPendingUndos,
} from '../batches/records.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { visiblyEscaped } from '../platform/database/copy-rows.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { DomainError, errorMessage } from '../platform/errors.js';
import { faultPoint, inSpan } from '../platform/instrumentation.js';
import type { ChunkJob } from '../platform/queue/queues.js';
import type { ImportRecord } from '../records/target.js';
import { TargetRegistry } from '../targets/targets.module.js';
import { BatchFinisher, ChunkScheduler, type WrittenEnd } from './chunk-scheduler.js';
import { type LeasedChunk, LeasedChunks } from './leased-chunks.js';
import {
  blockerOf,
  ChunkNotDueError,
  type ChunkWork,
  FaultIsolation,
  type FaultKind,
  faultKind,
  LASTING_FAULTS,
  processRecords,
  UnprocessableBatchError,
} from './record-processing.js';

/**
 * `done`: every record has its outcome; `leased`: the chunk is delivered in the background; `handed-back`: the chunk waits
 * for its turn again (the batch is paused, or an earlier chunk goes first); `no-room`: the same, until this process or
 * another one delivers fewer chunks; `not-mine`: the job was duplicate, late or stale, and there was nothing to do.
 */
export type ChunkRun = 'done' | 'leased' | 'handed-back' | 'no-room' | 'not-mine';

/** One attempt to process a chunk. */
interface Attempt {
  job: ChunkJob;
  batch: RunningBatch;
  /** `null` for a batch whose records must not be processed any more. */
  work: ChunkWork | null;
  start: BatchStart;
}

/** A short chunk ends before anyone could see that its batch has started. */
const SHOWN_AFTER_MS = 100;

/**
 * Marks the batch of a chunk as started, on a connection of its own. If the chunk is the only one and ends in its
 * transaction, it ends the batch with it, and its start is only written if it takes long: a short batch is spared a
 * transaction.
 */
class BatchStart {
  /** Whether the transaction of the chunk may write the end of the batch. */
  readonly withEnd: boolean;
  /** Resolves at once if the transaction of the chunk need not wait. */
  readonly written: Promise<void>;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly batch: RunningBatch,
    work: ChunkWork | null,
  ) {
    this.withEnd = batch.chunkCount === 1 && work !== null && work.target.deliver === undefined;
    if (this.withEnd) {
      this.written = Promise.resolve();
      this.timer = setTimeout(() => void this.show(), SHOWN_AFTER_MS);
    } else {
      // Asks for its connection before the transaction asks for one, so that the transaction never waits in vain.
      this.written = startBatch(database, batch);
      this.written.catch(() => undefined);
    }
  }

  /** Never throws: the next attempt, or the end of the chunk, shows the same. */
  async show(): Promise<void> {
    await startBatch(this.database, this.batch).catch(() => undefined);
  }

  /** The attempt is over. */
  end(): void {
    clearTimeout(this.timer);
  }
}

/** Records of a chunk to process separately, to find the one that makes the chunk fail. */
interface RecordsToIsolate {
  work: ChunkWork;
  records: ImportRecord[];
  /** Whether other records of the chunk already have outcomes. */
  othersHaveOutcomes: boolean;
}

/**
 * Processes one chunk in one transaction: the effects, the outcomes, the counts and `done` commit together.
 * Why: ADR 2.
 */
@Injectable()
export class ChunkRunner {
  private readonly logger = new Logger(ChunkRunner.name);
  private readonly isolation: FaultIsolation;
  private readonly backends = new Set<number>();

  constructor(
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly targets: TargetRegistry,
    private readonly scheduler: ChunkScheduler,
    private readonly finisher: BatchFinisher,
    private readonly leased: LeasedChunks,
  ) {
    this.isolation = new FaultIsolation(database);
  }

  /**
   * @throws the fault of the chunk, after the rollback and after recording the fault in the chunk; run it again later
   */
  async run(job: ChunkJob): Promise<ChunkRun> {
    const batch = await selectRunningBatch(this.database, job);
    if (batch === undefined || !isUnfinished(batch.status)) return 'not-mine';
    const result = await this.attempt(batch, job);
    faultPoint('chunk.after-commit');
    if (typeof result !== 'string') {
      await this.finisher.announce(result);
      return 'done';
    }
    if (result === 'not-mine' || result === 'no-room') return result;
    await this.scheduler.advance(job.batchId, result === 'done' && batch.chunkCount === 1);
    return result;
  }

  /** Rolls back the running chunks because this worker has to stop. Another worker will process them again. */
  async abandonAll(): Promise<void> {
    this.isolation.stop();
    if (this.backends.size === 0) return;
    await this.database.query('SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid', [
      [...this.backends],
    ]);
  }

  private attempt(batch: RunningBatch, job: ChunkJob): Promise<ChunkRun | WrittenEnd> {
    const { batchId, chunkNumber } = job;
    const attributes = { 'wiq.batch_id': batchId, 'wiq.chunk': chunkNumber };
    const span = { name: 'process chunk', kind: 'consumer', attributes, cause: batch.traceparent } as const;
    return inSpan(span, () => this.attemptIn(batch, job));
  }

  private async attemptIn(batch: RunningBatch, job: ChunkJob): Promise<ChunkRun | WrittenEnd> {
    let start: BatchStart | undefined;
    try {
      const work = await this.prepare(job, batch);
      faultPoint('chunk.before-lock');
      start = new BatchStart(this.database, batch, work);
      const attempt = { job, batch, work, start };
      let result = await this.runOnce(attempt);
      while (typeof result !== 'string' && !('status' in result)) {
        if ('lease' in result) {
          this.leased.start(result);
          return 'leased';
        }
        await this.isolation.process(result.work, result.records, result.othersHaveOutcomes);
        result = await this.runOnce(attempt);
      }
      return result;
    } catch (error) {
      if (error instanceof ChunkNotDueError) return this.giveWay(job, error.earlierChunk);
      await start?.show();
      return this.handleFault(job, error);
    } finally {
      start?.end();
    }
  }

  /**
   * Records the fault. A lasting fault of the environment pauses the batch: neither its records nor its other chunks
   * can resolve it.
   * @throws the fault, so that the chunk runs again later, unless the batch is paused
   */
  private async handleFault(job: ChunkJob, error: unknown): Promise<ChunkRun> {
    const kind = faultKind(error);
    const faults = await this.noteFault(job, error, kind);
    if (faults >= LASTING_FAULTS) {
      const reason = visiblyEscaped(errorMessage(error));
      if (error instanceof UnprocessableBatchError) await writeBatchFault(this.database, job.batchId, reason);
      else if (kind === 'environment' && (await this.pauseForFault(job, reason))) return 'handed-back';
    }
    throw error;
  }

  /** Answers whether the batch is now paused and the chunk waits for the end of the pause. */
  private pauseForFault(job: ChunkJob, detail: string): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const batch = await lockBatch(transaction, job.batchId);
      if (batch === undefined || !PROCESSABLE.some((status) => status === batch.status)) return false;
      if (batch.status !== 'paused') {
        const pause = { reason: 'environment_fault', detail } as const;
        await transition(transaction, job.batchId, batch.status, 'paused', { pause });
        this.logger.error({
          message: 'batch paused: a fault of the environment lasts',
          ...job,
          reason: detail,
        });
      }
      await handBackChunk(transaction, job, null);
      return true;
    });
  }

  /** Runs one transaction. Answers the records to isolate if the chunk has failed too many times. */
  private async runOnce(attempt: Attempt): Promise<ChunkRun | RecordsToIsolate | LeasedChunk | WrittenEnd> {
    const { work } = attempt;
    let leased = false;
    try {
      return await this.database.transaction(async (transaction) => {
        const result = await this.process(transaction, attempt);
        leased = typeof result !== 'string' && 'lease' in result;
        return result;
      });
    } catch (error) {
      // If the commit went through after all, the lease expires.
      if (leased && work !== null) this.leased.leave(work);
      throw error;
    }
  }

  /** It turned out during processing that an earlier chunk must go first. The work of this one is rolled back. */
  private giveWay(job: ChunkJob, earlierChunk: number): Promise<ChunkRun> {
    return this.database.transaction(async (transaction) => {
      if ((await lockChunk(transaction, job)) === undefined) return 'not-mine';
      await handBackChunk(transaction, job, earlierChunk);
      return 'handed-back';
    });
  }

  /** `null` for a batch whose records must not be processed any more. */
  private async prepare(job: ChunkJob, batch: RunningBatch): Promise<ChunkWork | null> {
    if (batch.status === 'canceling' || batch.failureReason !== null) return null;
    const process = await this.processes
      .get(batch.importProcessId, batch.importProcessVersion, batch.workflowVersion, batch)
      .catch((error: unknown) => {
        if (error instanceof DomainError) throw new UnprocessableBatchError(error.message, { cause: error });
        throw error;
      });
    const { kind } = process.pinned.target;
    const target = this.targets.find(kind);
    if (target === undefined) {
      throw new UnprocessableBatchError(`this version was built without the target "${kind}"`);
    }
    const { undoOf, lastLineFirst } = batch;
    const undo = undoOf === null ? null : { undoneBatchId: undoOf, lastLineFirst };
    return { job, target, process, actor: batch.createdBy, undo };
  }

  private async process(
    transaction: Transaction,
    attempt: Attempt,
  ): Promise<ChunkRun | RecordsToIsolate | LeasedChunk | WrittenEnd> {
    const { job, batch, work, start } = attempt;
    const lines = work?.target.process === undefined || work.undo !== null ? null : batch.lines;
    const [chunk, open, records] = await Promise.all([
      lockChunk(transaction, job),
      selectOpenChunksUpTo(transaction, job),
      // A statement after the one that takes the lock, so it sees what the last owner of the chunk wrote.
      lines === null ? null : selectPendingRecords(transaction, job.batchId, ...lines),
      start.written,
    ]);
    if (chunk === undefined) return 'not-mine';
    this.backends.add(chunk.backendPid);
    try {
      return await this.processLocked(transaction, attempt, chunk, open, records);
    } finally {
      this.backends.delete(chunk.backendPid);
    }
  }

  private async processLocked(
    transaction: Transaction,
    { job, work, start }: Attempt,
    chunk: LockedChunk,
    open: readonly OpenChunk[],
    readAhead: ImportRecord[] | null,
  ): Promise<ChunkRun | RecordsToIsolate | LeasedChunk | WrittenEnd> {
    const { firstLine, lastLine } = chunk;
    if (chunk.batchStatus === 'paused' && !chunk.isProbe) {
      await handBackChunk(transaction, job, null);
      return 'handed-back';
    }
    if (work === null || chunk.batchStatus === 'canceling' || chunk.failureReason !== null) {
      const unknown = await endInterrupted(transaction, job.batchId, firstLine, lastLine);
      const canceled = await cancelRecords(transaction, job.batchId, firstLine, lastLine);
      await writeChunkProgress(transaction, job, { ...NO_OUTCOMES, canceled, unknown }, true);
      return 'done';
    }
    const blockedBy = blockerOf(open, work.process.pinned.ordered);
    if (blockedBy !== null) {
      await handBackChunk(transaction, job, blockedBy);
      return 'handed-back';
    }
    // The rest of a chunk that reaches beyond the canary waits for the review.
    const limit = Math.min(lastLine, chunk.canaryLine ?? lastLine);
    const selectPending = () => selectPendingRecords(transaction, job.batchId, firstLine, limit);
    if (work.target.deliver !== undefined) {
      const leased = await this.leased.lease(transaction, work, chunk, selectPending, limit < lastLine);
      if (leased === null) await handBackChunk(transaction, job, null);
      return leased ?? 'no-room';
    }
    const records =
      work.undo === null
        ? (readAhead ?? (await selectPending()))
        : await selectPendingUndos(transaction, job.batchId, chunk, work.undo.lastLineFirst);
    faultPoint('chunk.after-load');
    if (chunk.attempts >= LASTING_FAULTS && records.length > 0) {
      return { work, records, othersHaveOutcomes: chunk.processed > 0 };
    }
    const isWhole = limit === lastLine;
    // After a fault the end gets a transaction of its own, so that a fault of the end cannot count against records.
    const endsBatch = isWhole && start.withEnd && chunk.attempts === 0;
    const progress = async (counts: OutcomeCounts): Promise<WrittenEnd | null> => {
      const [, end] = await Promise.all([
        writeChunkProgress(transaction, job, counts, isWhole),
        endsBatch ? this.finisher.finish(transaction, job.batchId, true) : null,
      ]);
      return end;
    };
    const end =
      records.length === 0
        ? await progress(NO_OUTCOMES)
        : await processRecords(transaction, work, records, open.slice(1), progress);
    if (!isWhole) await handBackChunk(transaction, job, null);
    if (chunk.isProbe) await transition(transaction, job.batchId, 'paused', 'in_progress');
    faultPoint('chunk.before-commit');
    return end ?? (isWhole ? 'done' : 'handed-back');
  }

  /** A failure to record the fault (the database is unavailable) must not hide the fault itself. */
  private async noteFault(job: ChunkJob, error: unknown, kind: FaultKind): Promise<number> {
    try {
      return await writeChunkFault(
        this.database,
        job,
        visiblyEscaped(errorMessage(error)),
        kind === 'transient',
      );
    } catch {
      return 0;
    }
  }
}
