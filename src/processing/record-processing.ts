import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  lockChunk,
  type OpenChunk,
  selectOpenChunksUpTo,
  writeChunkProgress,
} from '../batches/chunks.sql.js';
import { errorPattern } from '../batches/record-pages.sql.js';
import {
  assertOneOutcomeEach,
  countOutcomes,
  type OutcomeCounts,
  writeOutcomes,
} from '../batches/records.sql.js';
import type { CompiledImportProcess } from '../import-processes/import-process.js';
import type { DatabaseService, Transaction } from '../platform/database/database.service.js';
import { errorMessage, errorStack } from '../platform/errors.js';
import { publishRecordMeasurement } from '../platform/instrumentation.js';
import type { ChunkJob } from '../platform/queue/queues.js';
import { OrderingKeys } from '../records/rows.js';
import type { ImportRecord, RecordError, RecordOutcome, RecordTarget } from '../records/target.js';
import { CommonFaultError, faultKind } from './faults.js';

/**
 * An earlier chunk of the batch goes first: it is about what this one is about, as came out while it was processed.
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
 * The chunk that has to be done before the first of these may run, or `null`. `open` is that chunk and the unfinished
 * ones before it, nearest first. Of several the nearest is named: it ends last, and waiting for the farthest would
 * wake a whole row of chunks each time only to be handed back again.
 */
export function blockerOf(open: readonly OpenChunk[], ordered: boolean): number | null {
  const [own, ...earlier] = open;
  if (ordered) return earlier[0]?.chunkNumber ?? null;
  return nearestWith(own?.orderingKeys ?? null, earlier);
}

/** The nearest of the unfinished chunks before a chunk that has one of these ordering keys, or `null`. */
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

/** A chunk and everything its records are processed with. */
export interface ChunkWork {
  job: ChunkJob;
  target: RecordTarget;
  process: CompiledImportProcess;
  actor: string;
}

/**
 * Lets the target process the records and writes their outcomes, all in the transaction.
 * @param earlier the unfinished chunks before this one, nearest first
 * @throws ChunkNotDueError when one of them goes first; the transaction is then to be rolled back
 */
export async function processRecords(
  transaction: Transaction,
  { job, target, process, actor }: ChunkWork,
  records: readonly ImportRecord[],
  earlier: readonly OpenChunk[],
): Promise<OutcomeCounts> {
  const outcomes: RecordOutcome[] = await target.process(records, {
    ...job,
    compiled: process.compiled,
    actor,
    transaction,
    keepOrder: (orderingKeys) => {
      const blocker = blockerByKeys(orderingKeys, earlier);
      if (blocker !== null) throw new ChunkNotDueError(blocker);
    },
  });
  assertOneOutcomeEach(records, outcomes);
  await writeOutcomes(transaction, job.batchId, outcomes);
  const counts = countOutcomes(outcomes);
  publishRecordMeasurement({ succeeded: counts.succeeded, failed: counts.failed, skipped: counts.skipped });
  return counts;
}

/** A record that makes our code, or a target's, throw. */
interface PoisonedRecord {
  line: number;
  error: unknown;
}

/**
 * For a chunk that fails whenever it is tried: halves its records until the guilty ones stand alone, which takes about
 * twenty transactions for one in a thousand where record by record would take a thousand. Each part commits by itself,
 * in line order, with its share of the chunk's counts. A crash in between loses nothing, because the next run sees only
 * records without an outcome.
 */
export class FaultIsolation {
  private readonly logger = new Logger(FaultIsolation.name);
  private stopped = false;

  constructor(private readonly database: Pick<DatabaseService, 'transaction'>) {}

  /**
   * Gives every record its outcome, unless the chunk is taken, paused or canceled meanwhile.
   * @param othersHaveOutcomes whether records of the chunk had outcomes before
   * @throws ChunkNotDueError if an earlier chunk goes first, CommonFaultError if all records throw alike, and every fault
   *   that does not belong to records
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

  /** Lets the part that is being processed be the last. */
  stop(): void {
    this.stopped = true;
  }

  /** Answers `false` if the chunk was taken, paused or canceled meanwhile. */
  private async split(
    work: ChunkWork,
    records: readonly ImportRecord[],
    poisoned: PoisonedRecord[],
  ): Promise<boolean> {
    if (this.stopped) throw new WorkerStopError();
    try {
      return await this.commit(work, async (transaction) => {
        const [, ...earlier] = await selectOpenChunksUpTo(transaction, work.job);
        return processRecords(transaction, work, records, earlier);
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
    return this.commit(work, async (transaction) => {
      await writeOutcomes(transaction, work.job.batchId, [outcome]);
      return countOutcomes([outcome]);
    });
  }

  private commit(
    { job }: ChunkWork,
    write: (transaction: Transaction) => Promise<OutcomeCounts>,
  ): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const chunk = await lockChunk(transaction, job);
      if (chunk === undefined || chunk.failureReason !== null) return false;
      if (!chunk.isProbe && chunk.batchStatus !== 'in_progress' && chunk.batchStatus !== 'queued')
        return false;
      await writeChunkProgress(transaction, job, await write(transaction), false);
      return true;
    });
  }
}

/** The worker stops; the next run of the chunk does the rest. */
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

/** Whether the records throw the same error, apart from what differs from record to record. */
function areAlike(poisoned: readonly PoisonedRecord[]): boolean {
  return new Set(poisoned.map(({ error }) => errorPattern(errorMessage(error)))).size === 1;
}
