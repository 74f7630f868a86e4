import { recordsMeasured } from '../../common/measured.js';
import type { Transaction } from '../../database/transaction.js';
import type { CompiledImportProcess } from '../../import-processes/pinned-import-process.js';
import type { ChunkJob } from '../../queue/queues.js';
import type { ImportRecord, RecordOutcome, RecordTarget } from '../../targets/target.js';
import { ChunkNotDueError } from './chunk-not-due.error.js';
import { blockerByKeys } from './ordering.js';
import { assertOneOutcomeEach, countOutcomes, type OutcomeCounts } from './outcome-counts.js';
import type { OpenChunk } from './sql/select-open-chunks.js';
import { writeOutcomes } from './sql/write-outcomes.js';

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
  recordsMeasured({ succeeded: counts.succeeded, failed: counts.failed, skipped: counts.skipped });
  return counts;
}
