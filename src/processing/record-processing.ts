import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  lockChunk,
  type OpenChunk,
  selectOpenChunksUpTo,
  writeChunkProgress,
} from '../batches/chunks.sql.js';
import {
  assertOneOutcomeEach,
  countOutcomes,
  type OutcomeCounts,
  type TargetOutcome,
  writeOutcomes,
} from '../batches/records.sql.js';
import { errorPattern } from '../batches/refused-records.sql.js';
import type { CompiledImportProcess } from '../import-processes/import-process.js';
import type { DatabaseService, Transaction } from '../platform/database/database.service.js';
import { errorMessage, errorStack } from '../platform/errors.js';
import { publishMeasurement } from '../platform/instrumentation.js';
import type { ChunkJob } from '../platform/queue/queues.js';
import { OrderingKeys } from '../records/rows.js';
import type { ImportRecord, RecordError, RecordTarget } from '../records/target.js';

/**
 * An earlier chunk of the batch must go first: processing showed that both chunks have an ordering key in common.
 * Why: ADR 4.
 */
export class ChunkNotDueError extends Error {
  override readonly name = 'ChunkNotDueError';

  constructor(readonly earlierChunk: number) {
    super(`chunk ${earlierChunk} goes first`);
  }
}

const KEY_BYTES = 8;

/** Whether two sorted lists of 8-byte big-endian hashes have one in common. */
export function haveCommonKey(a: Buffer, b: Buffer): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const difference = a.readUInt32BE(i) - b.readUInt32BE(j) || a.readUInt32BE(i + 4) - b.readUInt32BE(j + 4);
    if (difference === 0) return true;
    if (difference < 0) i += KEY_BYTES;
    else j += KEY_BYTES;
  }
  return false;
}

/**
 * The chunk that must be done before the first chunk of `open` may run, or `null`. `open` is that first chunk, followed
 * by the unfinished chunks before it, nearest first. Of several such chunks the answer is the nearest, which ends last.
 * Waiting for the farthest would repeatedly wake a whole series of chunks, only to hand them back again.
 */
export function blockerOf(open: readonly OpenChunk[], ordered: boolean): number | null {
  const [own, ...earlier] = open;
  if (ordered) return earlier[0]?.chunkNumber ?? null;
  return nearestWith(own?.orderingKeys ?? null, earlier);
}

/** The nearest of the unfinished earlier chunks that has one of these ordering keys, or `null`. */
function blockerByKeys(orderingKeys: readonly string[], earlier: readonly OpenChunk[]): number | null {
  if (earlier.length === 0) return null;
  const hashes = new OrderingKeys();
  for (const key of orderingKeys) hashes.add(key);
  return nearestWith(hashes.take(), earlier);
}

function nearestWith(keys: Buffer | null, earlier: readonly OpenChunk[]): number | null {
  if (keys === null) return null;
  const blocker = earlier.find(
    ({ orderingKeys }) => orderingKeys !== null && haveCommonKey(keys, orderingKeys),
  );
  return blocker?.chunkNumber ?? null;
}

/** A chunk and everything needed to process its records. */
export interface ChunkWork {
  job: ChunkJob;
  target: RecordTarget;
  process: CompiledImportProcess;
  actor: string;
  /** For an undo: the batch that it reverts, and whether its last line goes first. */
  undo: { undoneBatchId: number; lastLineFirst: boolean } | null;
}

/** What is written after the records of a chunk: their counts, and what depends on them. */
type Progress<Result> = (counts: OutcomeCounts) => Promise<Result>;

/**
 * Lets the target process the records and writes their outcomes, all in the transaction.
 * @param earlier the unfinished chunks before this one, nearest first
 * @param progress travels with the outcomes
 * @throws ChunkNotDueError if one of those must go first; the caller must then roll back the transaction
 */
export async function processRecords<Result>(
  transaction: Transaction,
  work: ChunkWork,
  records: readonly ImportRecord[],
  earlier: readonly OpenChunk[],
  progress: Progress<Result>,
): Promise<Result> {
  const { job } = work;
  const outcomes = await targetOutcomes(transaction, work, records, earlier);
  assertOneOutcomeEach(records, outcomes);
  const counts = countOutcomes(outcomes);
  const result = await writeOutcomes(transaction, job.batchId, outcomes, () => progress(counts));
  const { succeeded, failed, skipped } = counts;
  publishMeasurement('records', {
    importProcessId: work.process.pinned.id,
    counts: { succeeded, failed, skipped },
  });
  return result;
}

function targetOutcomes(
  transaction: Transaction,
  { job, target, process: { compiled }, actor, undo }: ChunkWork,
  records: readonly ImportRecord[],
  earlier: readonly OpenChunk[],
): Promise<TargetOutcome[]> {
  if (undo !== null) {
    if (target.undo === undefined) throw new Error(`the target "${target.kind}" cannot undo`);
    const { undoneBatchId } = undo;
    return target.undo(records, { ...job, compiled, actor, transaction, undoneBatchId });
  }
  if (target.process === undefined) throw new Error(`the target "${target.kind}" has no process method`);
  return target.process(records, {
    ...job,
    compiled,
    actor,
    transaction,
    keepOrder: (orderingKeys) => {
      const blocker = blockerByKeys(orderingKeys, earlier);
      if (blocker !== null) throw new ChunkNotDueError(blocker);
    },
  });
}

/** A record that makes our code, or the code of a target, throw. */
interface PoisonedRecord {
  line: number;
  error: unknown;
}

/**
 * Handles a chunk that fails on every attempt: halves its records until each faulty record stands alone. For one faulty
 * record in a thousand this takes about twenty transactions, compared with a thousand for record by record. Each part
 * commits separately, in line order, with its share of the chunk's counts. A crash between parts loses nothing, because
 * the next run sees only records without an outcome.
 */
export class FaultIsolation {
  private readonly logger = new Logger(FaultIsolation.name);
  private stopped = false;

  constructor(private readonly database: Pick<DatabaseService, 'transaction'>) {}

  /**
   * Gives every record its outcome, unless the chunk is taken, paused or canceled in the meantime.
   * @param othersHaveOutcomes whether other records of the chunk already have outcomes
   * @throws ChunkNotDueError if an earlier chunk must go first, CommonFaultError if all records throw the same error,
   *   and every fault that does not belong to records
   */
  async process(
    work: ChunkWork,
    records: readonly ImportRecord[],
    othersHaveOutcomes: boolean,
  ): Promise<void> {
    const poisoned: PoisonedRecord[] = [];
    if (!(await this.split(work, records, poisoned))) return;
    const [first] = poisoned;
    if (first === undefined) return;
    if (poisoned.length === records.length && !othersHaveOutcomes && areAlike(poisoned)) {
      throw new CommonFaultError(errorMessage(first.error), { cause: first.error });
    }
    for (const record of poisoned) {
      if (!(await this.failPoisoned(work, record))) return;
    }
  }

  /** Stops after the part that is being processed. */
  stop(): void {
    this.stopped = true;
  }

  /** Answers `false` if the chunk was taken, paused or canceled in the meantime. */
  private async split(
    work: ChunkWork,
    records: readonly ImportRecord[],
    poisoned: PoisonedRecord[],
  ): Promise<boolean> {
    if (this.stopped) throw new WorkerStopError();
    try {
      return await this.commit(work, async (transaction, progress) => {
        const [, ...earlier] = await selectOpenChunksUpTo(transaction, work.job);
        return processRecords(transaction, work, records, earlier, progress);
      });
    } catch (error) {
      const kind = faultKind(error);
      if (error instanceof ChunkNotDueError || (kind !== 'data' && kind !== 'code')) throw error;
      const [record] = records;
      if (records.length === 1 && record !== undefined) {
        if (kind === 'data') return this.fail(work, record.line, dataError(error));
        poisoned.push({ line: record.line, error });
        return true;
      }
      const half = records.length >> 1;
      return (
        (await this.split(work, records.slice(0, half), poisoned)) &&
        (await this.split(work, records.slice(half), poisoned))
      );
    }
  }

  private failPoisoned(work: ChunkWork, { line, error }: PoisonedRecord): Promise<boolean> {
    const errorId = randomUUID();
    this.logger.error(
      { message: 'a record makes the code throw', errorId, line, ...work.job },
      errorStack(error),
    );
    return this.fail(work, line, {
      code: 'internal_error',
      message: `The record could not be processed because of a fault in this service, which is in its log. Give the operator this id: ${errorId}`,
    });
  }

  private fail(work: ChunkWork, line: number, error: RecordError): Promise<boolean> {
    const outcome = { line, status: 'failed', operation: 'rejected', reference: null, error } as const;
    return this.commit(work, (transaction, progress) =>
      writeOutcomes(transaction, work.job.batchId, [outcome], () => progress(countOutcomes([outcome]))),
    );
  }

  private commit(
    { job }: ChunkWork,
    write: (transaction: Transaction, progress: Progress<void>) => Promise<void>,
  ): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const chunk = await lockChunk(transaction, job);
      if (chunk === undefined || chunk.failureReason !== null) return false;
      if (!chunk.isProbe && chunk.batchStatus !== 'in_progress' && chunk.batchStatus !== 'queued')
        return false;
      await write(transaction, (counts) => writeChunkProgress(transaction, job, counts, false));
      return true;
    });
  }
}

/** The worker stops; the next run of the chunk processes the remaining records. */
class WorkerStopError extends Error {
  /** SQLSTATE `admin_shutdown`: as if the database had ended the session. */
  readonly code = '57P01';

  constructor() {
    super('the worker stops; the next run of the chunk does the rest');
  }
}

function dataError(cause: unknown): RecordError {
  return { code: 'processing_error', message: `The record could not be processed: ${errorMessage(cause)}` };
}

/** Whether the records throw the same error, apart from the parts that differ between records. */
function areAlike(poisoned: readonly PoisonedRecord[]): boolean {
  return new Set(poisoned.map(({ error }) => errorPattern(errorMessage(error)))).size === 1;
}

/** Which part of the system a fault belongs to; it decides what happens to the chunk and its records. */
export type FaultKind =
  /** The values of a record: its chunk is halved until the record stands alone, and the record fails. */
  | 'data'
  /** Our code, or a target's: records that still throw while others succeed fail; if all throw, nothing fails. */
  | 'code'
  /** Something around the records: it is retried, and pauses the batch if it lasts. */
  | 'environment'
  /** A lost connection or a deadlock: it is retried, and proves nothing even if it happens many times. */
  | 'transient';

/** How many times a whole chunk may fail before a fault counts as lasting. */
export const LASTING_FAULTS = 5;

/** Data exceptions, integrity violations and exceeded limits. Only these SQLSTATEs concern records. */
const DATA_SQLSTATE = /^(?:22|23|54)/;
/**
 * Connection exceptions (08), serialization failures and deadlocks (40), too many connections (533), shutdown, crash
 * and start of the server (57P), and the end of a session that was idle in its transaction (25P03), for example because
 * its worker was frozen.
 */
const TRANSIENT_SQLSTATE = /^(?:08|40|533|25P03|57P0[1-4])/;
const TRANSIENT_SOCKET =
  /^(?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/;
/** Messages of errors from pg and its pool that have no code. */
const LOST_CONNECTION =
  /connection terminated|connection error|not queryable|trying to connect|connection timeout/i;

/** The batch cannot be processed, and retries do not help: its import process no longer works. */
export class UnprocessableBatchError extends Error {
  override readonly name = 'UnprocessableBatchError';
}

/** All records of a chunk fail in the same way, so the cause is not in the records. */
export class CommonFaultError extends Error {
  override readonly name = 'CommonFaultError';
}

export function faultKind(error: unknown): FaultKind {
  if (!(error instanceof Error)) return 'code';
  if (error instanceof CommonFaultError) return 'environment';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (TRANSIENT_SOCKET.test(code) || LOST_CONNECTION.test(error.message)) return 'transient';
  if (/^[0-9A-Z]{5}$/.test(code)) return kindOfSqlState(code);
  // An operating system error, such as a full disk.
  if ('syscall' in error) return 'environment';
  return error.cause === undefined ? 'code' : faultKind(error.cause);
}

function kindOfSqlState(code: string): FaultKind {
  if (DATA_SQLSTATE.test(code)) return 'data';
  return TRANSIENT_SQLSTATE.test(code) ? 'transient' : 'environment';
}
