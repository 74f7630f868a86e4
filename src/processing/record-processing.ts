import {
  lockChunk,
  type OpenChunk,
  selectOpenChunksUpTo,
  writeChunkProgress,
} from '../batches/chunks.sql.js';
import { assertOneOutcomeEach, countOutcomes, type OutcomeCounts } from '../batches/outcome-counts.js';
import { writeOutcomes } from '../batches/records.sql.js';
import type { CompiledImportProcess } from '../import-processes/import-process.js';
import type { DatabaseService } from '../platform/database/database.service.js';
import type { Transaction } from '../platform/database/transaction.js';
import { publishRecordMeasurement } from '../platform/measurements.js';
import type { ChunkJob } from '../platform/queue/queues.js';
import type { ImportRecord, RecordOutcome, RecordTarget } from '../records/target.js';
import { blockerByKeys, ChunkNotDueError } from './ordering.js';

/**
 * SQLSTATEs that say nothing about the records: connection exceptions (08), serialization failure and deadlock (40),
 * insufficient resources (53), lock not available, an operator's intervention (57P), system errors (58), and the end
 * of a session that was idle in its transaction for too long (25P03), as that of a worker that was frozen.
 */
const TRANSIENT_SQLSTATE = /^(?:08|40|53|58|25P03|55P03|57P)/;
const TRANSIENT_SOCKET =
  /^(?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/;
/** What pg and its pool say without a code. */
const LOST_CONNECTION =
  /connection terminated|connection error|not queryable|trying to connect|connection timeout/i;

/** Whether the same work may well succeed if it is only tried again later. */
export function isTransientFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const sqlState = /^[0-9A-Z]{5}$/.test(code) && !TRANSIENT_SOCKET.test(code);
  if (sqlState) return TRANSIENT_SQLSTATE.test(code);
  return TRANSIENT_SOCKET.test(code) || LOST_CONNECTION.test(error.message) || isTransientFault(error.cause);
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

/**
 * For a chunk that fails whatever is tried: halves its records until the guilty ones stand alone, which takes some
 * twenty transactions for one in a thousand where record by record would take a thousand. Each part commits by
 * itself, in line order, with its share of the chunk's counts; a crash in between loses nothing, since the next run
 * sees only records that have no outcome yet.
 */
export class FaultIsolation {
  private stopped = false;

  constructor(private readonly database: Pick<DatabaseService, 'transaction'>) {}

  /**
   * Answers whether every record has its outcome now; `false` when the chunk was taken, paused or canceled meanwhile.
   * @throws what is transient, and ChunkNotDueError when an earlier chunk goes first
   */
  async process(work: ChunkWork, records: readonly ImportRecord[]): Promise<boolean> {
    if (this.stopped) throw new Error('the worker stops; the rest is done by the next run of the chunk');
    try {
      return await this.commit(work, async (transaction) => {
        const [, ...earlier] = await selectOpenChunksUpTo(transaction, work.job);
        return processRecords(transaction, work, records, earlier);
      });
    } catch (error) {
      if (isTransientFault(error) || error instanceof ChunkNotDueError) throw error;
      const [record] = records;
      if (records.length === 1 && record !== undefined) return this.fail(work, record, error);
      const half = records.length >> 1;
      return (
        (await this.process(work, records.slice(0, half))) && (await this.process(work, records.slice(half)))
      );
    }
  }

  /** Lets the part that is being processed be the last. */
  stop(): void {
    this.stopped = true;
  }

  private fail(work: ChunkWork, { line }: ImportRecord, cause: unknown): Promise<boolean> {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const outcome = {
      line,
      status: 'failed',
      operation: 'rejected',
      reference: null,
      error: { code: 'processing_error', message: `The record could not be processed: ${reason}` },
    } as const;
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
      if (chunk.batchStatus !== 'in_progress' && chunk.batchStatus !== 'queued') return false;
      await writeChunkProgress(transaction, job, await write(transaction), false);
      return true;
    });
  }
}
