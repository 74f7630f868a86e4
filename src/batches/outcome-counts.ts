import type { ImportRecord, RecordOutcome } from '../records/target.js';

/** What became of a number of records; `created + updated + unchanged = succeeded`. */
export interface OutcomeCounts {
  succeeded: number;
  failed: number;
  skipped: number;
  canceled: number;
  created: number;
  updated: number;
  unchanged: number;
}

export const NO_OUTCOMES: Readonly<OutcomeCounts> = Object.freeze({
  succeeded: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
});

export function countOutcomes(outcomes: readonly RecordOutcome[]): OutcomeCounts {
  const counts = { ...NO_OUTCOMES };
  for (const outcome of outcomes) {
    counts[outcome.status] += 1;
    if (outcome.status === 'succeeded') counts[outcome.operation] += 1;
  }
  return counts;
}

/** Holds a target to its word. @throws unless each record has exactly one outcome */
export function assertOneOutcomeEach(
  records: readonly ImportRecord[],
  outcomes: readonly RecordOutcome[],
): void {
  const open = new Set(records.map(({ line }) => line));
  for (const { line } of outcomes) {
    if (!open.delete(line)) throw new Error(`the target answered line ${line} twice, or was never given it`);
  }
  const [unanswered] = open;
  if (unanswered !== undefined) throw new Error(`the target did not say what became of line ${unanswered}`);
}
