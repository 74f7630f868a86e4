import type { BatchRow } from './select-batches.js';
import { RATE_WINDOW_SECONDS } from './select-batches.js';

export interface BatchProgress {
  /** Records that were tried or refused, in pass 1 too; reaches `total` unless some were canceled. */
  processed: number;
  total: number;
  /** While it runs: of the last seconds; when it has ended: over its whole run. */
  ratePerSecond: number;
  /** `null` when it does not run, or nobody can say. */
  etaSeconds: number | null;
}

type Measured = Pick<
  BatchRow,
  | 'total'
  | 'pending'
  | 'invalid'
  | 'canceled'
  | 'recentlyDone'
  | 'status'
  | 'startedAt'
  | 'finishedAt'
  | 'now'
>;

export function progressOf(batch: Measured): BatchProgress {
  const processed = batch.total - batch.pending - batch.canceled;
  const rate = rateOf(batch, processed - batch.invalid);
  const runs = batch.status === 'in_progress' || batch.status === 'canceling';
  return {
    processed,
    total: batch.total,
    ratePerSecond: Math.round(rate * 10) / 10,
    etaSeconds: runs && rate > 0 ? Math.ceil(batch.pending / rate) : null,
  };
}

function rateOf(batch: Measured, processedInPass2: number): number {
  if (batch.startedAt === null) return 0;
  const end = batch.finishedAt ?? batch.now;
  // A batch of a few records is over within a millisecond: an honest rate needs a time to divide by.
  const seconds = Math.max((end.getTime() - batch.startedAt.getTime()) / 1000, 0.001);
  if (batch.finishedAt !== null) return processedInPass2 / seconds;
  if (batch.status !== 'in_progress' && batch.status !== 'canceling') return 0;
  return batch.recentlyDone / Math.min(seconds, RATE_WINDOW_SECONDS);
}
