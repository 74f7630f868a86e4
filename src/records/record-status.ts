export const RECORD_STATUSES = [
  'pending',
  'invalid',
  'processing',
  'succeeded',
  'failed',
  'skipped',
  'canceled',
  'unknown',
] as const;

/**
 * `invalid` ended in pass 1; `succeeded`, `failed` and `skipped` in pass 2; `canceled` was never tried;
 * `unknown` was sent to a target that did not report an outcome.
 */
export type RecordStatus = (typeof RECORD_STATUSES)[number];

/** The number of records of a batch in each state. `total` is always the sum of the others. */
export type RecordCounts = Record<'total' | RecordStatus, number>;

export const RESULT_SETS = ['all', 'succeeded', 'failed', 'unprocessed'] as const;

/** The records that a download contains. Every record is in exactly one of `succeeded`, `failed` and `unprocessed`. */
export type ResultSet = (typeof RESULT_SETS)[number];

export const RESULT_FORMATS = ['jsonl', 'csv', 'xlsx'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

export const RESULT_SHAPES = ['wrapped', 'record'] as const;
/** A line of JSON Lines: the record with its outcome, or only the record. */
export type ResultShape = (typeof RESULT_SHAPES)[number];

/** A receiver must not get an unknown record twice, so it is sent again only after a person said that it did not arrive. */
export const RESENDABLE: readonly RecordStatus[] = ['failed', 'invalid'];

const SUCCEEDED = ['succeeded', 'skipped'] as const;
const FAILED = ['failed', 'invalid', 'unknown'] as const;
const UNPROCESSED = ['pending', 'canceled', 'processing'] as const;

const STATUSES: Readonly<Record<ResultSet, readonly RecordStatus[]>> = {
  all: [...SUCCEEDED, ...FAILED, ...UNPROCESSED],
  succeeded: SUCCEEDED,
  failed: FAILED,
  unprocessed: UNPROCESSED,
};

export function statusesOf(set: ResultSet): readonly RecordStatus[] {
  return STATUSES[set];
}
