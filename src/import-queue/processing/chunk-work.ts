import { recordsMeasured } from '../../common/measured.js';
import type { Transaction } from '../../database/transaction.js';
import type { CompiledImportProcess } from '../../import-processes/pinned-import-process.js';
import type { ChunkJob } from '../../queue/queues.js';
import type { ImportRecord, RecordOutcome, RecordTarget } from '../../targets/target.js';
import { assertOneOutcomeEach, countOutcomes, type OutcomeCounts } from './outcome-counts.js';
import { writeOutcomes } from './sql/write-outcomes.js';

/** A chunk and everything its records are processed with. */
export interface ChunkWork {
  job: ChunkJob;
  target: RecordTarget;
  process: CompiledImportProcess;
  actor: string;
}

/** Lets the target process the records and writes their outcomes, all in the transaction. */
export async function processRecords(
  transaction: Transaction,
  { job, target, process, actor }: ChunkWork,
  records: readonly ImportRecord[],
): Promise<OutcomeCounts> {
  const outcomes: RecordOutcome[] = await target.process(records, {
    ...job,
    compiled: process.compiled,
    actor,
    transaction,
  });
  assertOneOutcomeEach(records, outcomes);
  await writeOutcomes(transaction, job.batchId, outcomes);
  const counts = countOutcomes(outcomes);
  recordsMeasured({ succeeded: counts.succeeded, failed: counts.failed, skipped: counts.skipped });
  return counts;
}
