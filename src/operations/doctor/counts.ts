/*
 * The counts of chunks and batches, as SQL: what invariants compare and repairs write.
 */

const OUTCOME_COUNTS = ['succeeded', 'failed', 'skipped', 'canceled', 'unknown'] as const;
export const OPERATION_COUNTS = ['created', 'updated', 'unchanged'] as const;
const ALL = [...OUTCOME_COUNTS, ...OPERATION_COUNTS];
export const countList = (of: (name: string) => string, names: readonly string[] = ALL) =>
  names.map(of).join(', ');
export const countSum = (of: (name: string) => string) => OUTCOME_COUNTS.map(of).join(' + ');

export const ENDED_STATUSES = `('completed', 'completed_with_errors', 'failed', 'canceled')`;
/** Batches whose chunks and records still exist and can be examined. */
export const BATCH_IS_KEPT = `b.expired_at IS NULL AND b.status <> 'receiving'`;

export const COUNTED_RECORDS = [
  countList((name) => `count(*) FILTER (WHERE r.status = '${name}') AS ${name}`, OUTCOME_COUNTS),
  countList((name) => `count(*) FILTER (WHERE r.operation = '${name}') AS ${name}`, OPERATION_COUNTS),
].join(', ');

/** The counts of a chunk or batch, each by its name. */
export const COUNT_LISTS = {
  assignments: (from: string) => countList((name) => `${name}_count = ${from}.${name}`),
  columns: (of: string) => countList((name) => `${of}.${name}_count`),
  values: (of: string) => countList((name) => `${of}.${name}`),
  sums: countList((name) => `sum(${name})::integer AS ${name}`),
  outcomes: (of: string) => countSum((name) => `${of}.${name}`),
  outcomeColumns: (of: string) => countSum((name) => `${of}.${name}_count`),
};

/** The end counts of a batch and the sums over its chunks, which are right where they differ. */
export const COUNT_SUMS_OF_CHUNKS = {
  sql: `SELECT workflow_import_queue_batch_id, ${countList((name) => `sum(${name}_count)::integer AS ${name}`)},
               sum(${countSum((name) => `${name}_count`)})::integer AS outcomes
          FROM import_queue_chunk GROUP BY 1`,
  assignments: countList((name) => `${name}_count = c.${name}`),
  columns: countList((name) => `b.${name}_count`),
  sums: countList((name) => `c.${name}`),
};

/** Records that keep a batch from being `completed`, including those that a person resolved after its end. */
export const NOT_SUCCEEDED = 'invalid_count + failed_count + canceled_count + unknown_count + resolved_count';
