/** A chunk whose turn it is. */
export interface QueuedChunk {
  batchId: number;
  chunkNumber: number;
  /** When it was queued, in microseconds since 1970; tells one queueing of the chunk from the next. */
  queuedAt: number;
}

/**
 * Bull ignores an `add` whose job id it still knows, be the job completed or failed. With the time of queueing in
 * the id a left-over job can never stand in the way of a needed one, while adding the same queueing twice (two
 * processes, a repeated command after a reconnect) still makes one job.
 */
export function jobIdOf({ batchId, chunkNumber, queuedAt }: QueuedChunk): string {
  return `${batchId}.${chunkNumber}.${queuedAt}`;
}
