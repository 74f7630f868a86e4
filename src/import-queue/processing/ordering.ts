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
export function blockerOf(
  open: readonly { chunkNumber: number; orderingKeys: Buffer | null }[],
  ordered: boolean,
): number | null {
  const [own, ...earlier] = open;
  if (ordered) return earlier[0]?.chunkNumber ?? null;
  const keys = own?.orderingKeys;
  if (!keys) return null;
  const blocker = earlier.find(
    ({ orderingKeys }) => orderingKeys !== null && haveCommonKey(keys, orderingKeys),
  );
  return blocker?.chunkNumber ?? null;
}
