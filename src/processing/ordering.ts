import type { OpenChunk } from '../batches/chunks.sql.js';
import { OrderingKeys } from '../records/ordering-keys.js';

/**
 * An earlier chunk of the batch goes first: it is about what this one is about, as came out while it was processed.
 * Why: ADR 4.
 */
export class ChunkNotDueError extends Error {
  override readonly name = 'ChunkNotDueError';

  constructor(readonly earlierChunk: number) {
    super(`chunk ${earlierChunk} goes first`);
  }
}

const KEY_BYTES = 8;

/** Whether two sorted lists of 8-byte big-endian hashes have one in common. */
export function haveCommonKey(a: Buffer, b: Buffer): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const difference = a.readUInt32BE(i) - b.readUInt32BE(j) || a.readUInt32BE(i + 4) - b.readUInt32BE(j + 4);
    if (difference === 0) return true;
    if (difference < 0) i += KEY_BYTES;
    else j += KEY_BYTES;
  }
  return false;
}

/**
 * The chunk that has to be done before the first of these may run, or `null`. `open` is that chunk and the unfinished
 * ones before it, nearest first. Of several the nearest is named: it ends last, and waiting for the farthest would
 * wake a whole row of chunks each time only to be handed back again.
 */
export function blockerOf(open: readonly OpenChunk[], ordered: boolean): number | null {
  const [own, ...earlier] = open;
  if (ordered) return earlier[0]?.chunkNumber ?? null;
  return nearestWith(own?.orderingKeys ?? null, earlier);
}

/** The nearest of the unfinished chunks before a chunk that has one of these ordering keys, or `null`. */
export function blockerByKeys(orderingKeys: readonly string[], earlier: readonly OpenChunk[]): number | null {
  if (earlier.length === 0) return null;
  const hashes = new OrderingKeys();
  for (const key of orderingKeys) hashes.add(key);
  return nearestWith(hashes.take(), earlier);
}

function nearestWith(keys: Buffer | null, earlier: readonly OpenChunk[]): number | null {
  if (keys === null) return null;
  const blocker = earlier.find(
    ({ orderingKeys }) => orderingKeys !== null && haveCommonKey(keys, orderingKeys),
  );
  return blocker?.chunkNumber ?? null;
}
