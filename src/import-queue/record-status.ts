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
 * `unknown` was sent to a target that did not say what became of it.
 */
export type RecordStatus = (typeof RECORD_STATUSES)[number];

/** How many records of a batch are in each state: at every moment `total` is the sum of the others. */
export type RecordCounts = Record<'total' | RecordStatus, number>;
