import type { DatabaseService } from '../../database/database.service.js';
import type { Transaction } from '../../database/transaction.js';
import type { ImportRecord } from '../../targets/target.js';
import { ChunkNotDueError } from './chunk-not-due.error.js';
import { type ChunkWork, processRecords } from './chunk-work.js';
import { countOutcomes, type OutcomeCounts } from './outcome-counts.js';
import { lockChunk } from './sql/lock-chunk.js';
import { selectOpenChunksUpTo } from './sql/select-open-chunks.js';
import { writeChunkProgress } from './sql/write-chunk-progress.js';
import { writeOutcomes } from './sql/write-outcomes.js';
import { isTransientFault } from './transient-fault.js';

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
