import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { PROCESSABLE } from '../batches/batch-state.js';
import { lockBatch, transition } from '../batches/batches.sql.js';
import {
  type ChunkLease,
  type DeliveryNote,
  forgiveAttempts,
  handBackChunk,
  leaseChunk,
  LeaseLostError,
  type LockedChunk,
  lockLease,
  releaseLease,
  renewLease,
  writeChunkFault,
  writeChunkProgress,
  writeDeliveryNotes,
} from '../batches/chunks.sql.js';
import {
  countOutcomes,
  endInterrupted,
  NO_OUTCOMES,
  selectDeliveryStates,
  writeDeliveredOutcomes,
} from '../batches/records.sql.js';
import { ClaimHolder } from '../delivery/message-sender.js';
import { Gate, settlesWithin } from '../platform/concurrency.js';
import { visiblyEscaped } from '../platform/database/copy-rows.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { errorMessage, errorStack } from '../platform/errors.js';
import { faultPoint, publishMeasurement } from '../platform/instrumentation.js';
import {
  type DeliveredOutcome,
  type DeliveryState,
  type ImportRecord,
  TargetUnavailableError,
} from '../records/target.js';
import { ChunkScheduler } from './chunk-scheduler.js';
import { type ChunkWork, faultKind, LASTING_FAULTS } from './record-processing.js';

/** How long a lease is valid without renewal. After that, another worker takes the chunk of a dead one over. */
const LEASE_MS = 30_000;
/** The chunks that one process delivers at a time. They wait for receivers rather than compute. */
const MOST_LEASES = 32;
/** Counted from the beginning of the stop, as for jobs of a queue. */
const FINISH_WITHIN_MS = 20_000;

/** A chunk whose lease this process holds. */
export interface LeasedChunk {
  work: ChunkWork;
  lease: ChunkLease;
  records: readonly ImportRecord[];
  states: ReadonlyMap<number, DeliveryState>;
  isProbe: boolean;
  /** Whether other records of the chunk wait for the review of the canary. */
  isPart: boolean;
}

interface Write {
  outcomes: readonly DeliveredOutcome[];
  notes: readonly DeliveryNote[];
  done: () => void;
  failed: (error: unknown) => void;
}

/**
 * Delivers chunks whose target sends records to other systems. Such a chunk is owned by a lease instead of a row lock, so
 * that no connection of the database is held while a receiver takes its time, and it does not occupy a job of the queue.
 * Why: ADR 40.
 */
@Injectable()
export class LeasedChunks implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger(LeasedChunks.name);
  private readonly owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  private readonly room = new Gate(MOST_LEASES);
  private readonly running = new Set<Promise<void>>();
  private readonly stop = new AbortController();
  private readonly cut = new AbortController();
  private stoppingSince = 0;
  /** Batches with a chunk that found no room. */
  private readonly turnedAway = new Set<number>();

  constructor(
    private readonly database: DatabaseService,
    private readonly scheduler: ChunkScheduler,
  ) {}

  /** Begins nothing more from here on. Requests under way get their answers. */
  onModuleDestroy(): void {
    this.stoppingSince = performance.now();
    this.stop.abort(new Error('the worker stops'));
  }

  async beforeApplicationShutdown(): Promise<void> {
    const ended = this.settled();
    const left = Math.max(0, this.stoppingSince + FINISH_WITHIN_MS - performance.now());
    if (await settlesWithin(left, ended)) return;
    this.logger.warn({ message: 'requests are cut off', chunks: this.running.size });
    this.cut.abort(new Error('the worker stops'));
    await ended;
  }

  /** Resolves when no chunk is being delivered. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.allSettled(this.running);
  }

  /**
   * Takes the lease of a locked chunk; `null` if this process has no room for it. The caller starts the delivery once its
   * transaction has committed, or gives the room back.
   */
  async lease(
    transaction: Transaction,
    work: ChunkWork,
    chunk: Pick<LockedChunk, 'isProbe' | 'firstLine' | 'lastLine'>,
    select: () => Promise<ImportRecord[]>,
    isPart: boolean,
  ): Promise<LeasedChunk | null> {
    const { job, process } = work;
    if (this.stop.signal.aborted || !this.room.tryEnter(String(process.pinned.id))) {
      this.turnedAway.add(job.batchId);
      return null;
    }
    try {
      const { firstLine, lastLine, isProbe } = chunk;
      const unknown = await endInterrupted(transaction, job.batchId, firstLine, lastLine);
      if (unknown > 0) await writeChunkProgress(transaction, job, { ...NO_OUTCOMES, unknown }, false);
      const pending = await select();
      const states = await selectDeliveryStates(transaction, job.batchId, firstLine, lastLine);
      const lease = await leaseChunk(transaction, job, this.owner, LEASE_MS);
      const records = isProbe ? probe(pending, process.pinned.ordered) : pending;
      return { work, lease, records, states, isProbe, isPart: isPart || records.length < pending.length };
    } catch (error) {
      this.leave(work);
      throw error;
    }
  }

  /** Gives the room back of a chunk whose lease was not committed. */
  leave({ process }: ChunkWork): void {
    this.room.leave(String(process.pinned.id));
  }

  /** Delivers the chunk in the background; the job that brought it can end. Never throws. */
  start(chunk: LeasedChunk): void {
    const running = this.deliver(chunk)
      .catch((error: unknown) => {
        this.logger.error({ message: 'chunk failed, it is run again', ...chunk.work.job }, errorStack(error));
      })
      .finally(async () => {
        this.running.delete(running);
        this.leave(chunk.work);
        const waiting = [...this.turnedAway];
        this.turnedAway.clear();
        if (this.stop.signal.aborted) return;
        for (const batchId of new Set([chunk.work.job.batchId, ...waiting])) {
          await this.scheduler.advance(batchId);
        }
      });
    this.running.add(running);
  }

  private async deliver(chunk: LeasedChunk): Promise<void> {
    const delivery = new ChunkDelivery(this.database, chunk, this.stop.signal, this.cut.signal);
    let fault: unknown;
    try {
      await delivery.run();
    } catch (error) {
      fault = error;
    }
    if (delivery.isLost) {
      this.logger.warn({ message: 'another worker took the chunk over', ...chunk.work.job });
    } else if (fault === undefined) {
      await delivery.end();
    } else if (fault instanceof TargetUnavailableError) {
      await this.pause(chunk, 'target_unavailable', errorMessage(fault));
    } else {
      await this.handleFault(chunk, fault);
      throw new Error('a chunk was not delivered', { cause: fault });
    }
  }

  /** The chunk waits for the end of the pause. */
  private pause(
    { lease }: LeasedChunk,
    reason: 'target_unavailable' | 'environment_fault',
    message: string,
  ): Promise<void> {
    const { batchId } = lease;
    const detail = visiblyEscaped(message);
    return this.database.transaction(async (transaction) => {
      const batch = await lockBatch(transaction, batchId);
      await lockLease(transaction, lease);
      if (
        batch !== undefined &&
        batch.status !== 'paused' &&
        PROCESSABLE.some((each) => each === batch.status)
      ) {
        await transition(transaction, batchId, batch.status, 'paused', { pause: { reason, detail } });
        this.logger.error({ message: 'batch paused', batchId, reason, detail });
      }
      await handBackChunk(transaction, lease, null);
    });
  }

  private async handleFault(chunk: LeasedChunk, error: unknown): Promise<void> {
    const { lease } = chunk;
    const message = visiblyEscaped(errorMessage(error));
    const faults = await writeChunkFault(this.database, lease, message, faultKind(error) === 'transient');
    if (faults >= LASTING_FAULTS) await this.pause(chunk, 'environment_fault', message);
    else await releaseLease(this.database, lease);
  }
}

/** Any record may be the one that the target never answers, so another one is tried each time. */
function probe(pending: readonly ImportRecord[], ordered: boolean): ImportRecord[] {
  const place = ordered ? 0 : Math.floor(Math.random() * pending.length);
  return pending.slice(place, place + 1);
}

/** The delivery of one chunk: keeps the lease, and saves outcomes together that become known at the same time. */
class ChunkDelivery {
  private readonly holder: ClaimHolder;
  private readonly ending = new AbortController();
  private readonly onStop = () => this.ending.abort();
  private writes: Write[] = [];
  private isWriting = false;
  private open: number;
  private lost = false;

  constructor(
    private readonly database: DatabaseService,
    private readonly chunk: LeasedChunk,
    private readonly stop: AbortSignal,
    cut: AbortSignal,
  ) {
    this.open = chunk.records.length;
    this.holder = new ClaimHolder(() => this.renew(), LEASE_MS, cut);
  }

  /** Whether another worker has the chunk. */
  get isLost(): boolean {
    return this.lost;
  }

  async run(): Promise<void> {
    const { work, records, states, isProbe } = this.chunk;
    const { batchId, chunkNumber } = work.job;
    if (records.length === 0) return;
    this.holder.hold();
    if (this.stop.aborted) this.onStop();
    this.stop.addEventListener('abort', this.onStop, { once: true });
    try {
      await work.target.deliver?.(records, {
        batchId,
        chunkNumber,
        compiled: work.process.compiled,
        importProcessId: work.process.pinned.id,
        ordered: work.process.pinned.ordered,
        isProbe,
        states,
        stop: this.ending.signal,
        cut: this.holder.signal,
        begin: (lines) => {
          const note = ({ attempts = 0, isSuspect = false }: Partial<DeliveryState> = {}) => ({
            ...{ attempts, isSuspect, dueInMs: 0 },
          });
          return this.write({
            notes: lines.map((line) => ({ line, ...note(states.get(line)), uncertain: true })),
            outcomes: [],
          });
        },
        postpone: (lines, state) =>
          this.write({ notes: lines.map((line) => ({ line, ...state, uncertain: false })), outcomes: [] }),
        save: (outcomes) => this.write({ outcomes, notes: [] }),
      });
    } finally {
      this.stop.removeEventListener('abort', this.onStop);
      this.holder.release();
    }
  }

  /** Ends the chunk, or lets the rest of it wait for its turn. */
  end(): Promise<void> {
    const { lease, isPart, isProbe, work } = this.chunk;
    return this.database.transaction(async (transaction) => {
      // The batch first: an action on it locks it before its chunks.
      const isBack =
        isProbe &&
        this.open === 0 &&
        (await transition(transaction, work.job.batchId, 'paused', 'in_progress'));
      await lockLease(transaction, lease);
      if (isBack) await forgiveAttempts(transaction, lease.batchId);
      if (this.open === 0 && !isPart) await writeChunkProgress(transaction, lease, NO_OUTCOMES, true);
      else await handBackChunk(transaction, lease, null);
    });
  }

  private async renew(): Promise<boolean> {
    const isWanted = await renewLease(this.database, this.chunk.lease, LEASE_MS);
    this.note(isWanted);
    return isWanted !== null;
  }

  private note(isWanted: boolean | null): void {
    if (isWanted === null) this.lost = true;
    if (isWanted === null || (!isWanted && !this.chunk.isProbe)) this.ending.abort();
  }

  private write(write: Pick<Write, 'outcomes' | 'notes'>): Promise<void> {
    return new Promise((done, failed) => {
      this.writes.push({ ...write, done, failed });
      if (!this.isWriting) void this.writeAll();
    });
  }

  private async writeAll(): Promise<void> {
    this.isWriting = true;
    // Whatever becomes known in the meantime is part of the same write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.writes.length > 0) {
      const writes = this.writes;
      this.writes = [];
      try {
        faultPoint('delivery.before-save');
        await this.holder.whileHeld(
          () => this.commit(writes),
          (error) => error instanceof LeaseLostError,
        );
        for (const { done } of writes) done();
      } catch (error) {
        if (error instanceof LeaseLostError) this.note(null);
        for (const { failed } of writes) failed(error);
      }
    }
    // Nothing is awaited since the last look, so that no write is left behind.
    this.isWriting = false;
  }

  private async commit(writes: readonly Write[]): Promise<void> {
    const { batchId } = this.chunk.work.job;
    const outcomes = writes.flatMap((write) => write.outcomes);
    const notes = writes.flatMap((write) => write.notes);
    const counts = countOutcomes(outcomes);
    const isWanted = await this.database.transaction(async (transaction) => {
      const wanted = await lockLease(transaction, this.chunk.lease);
      if (notes.length > 0) await writeDeliveryNotes(transaction, batchId, notes);
      if (outcomes.length > 0) {
        await writeDeliveredOutcomes(transaction, batchId, outcomes);
        await writeChunkProgress(transaction, this.chunk.lease, counts, false);
      }
      return wanted;
    });
    this.open -= outcomes.length;
    if (outcomes.length > 0) {
      const { succeeded, failed, skipped } = counts;
      const { id: importProcessId } = this.chunk.work.process.pinned;
      publishMeasurement('records', { importProcessId, counts: { succeeded, failed, skipped } });
    }
    this.note(isWanted);
  }
}
