import { orderingHash } from '../intake/ordering-keys.js';

/** Bits that say in which chunk a key stands; the rest are the first ones of its hash. */
const PLACE_BITS = 20n;

/**
 * Up to which chunk each ordering key of a batch occurs. Made of the hashes that chunks are stored with, so that no
 * record is read for it: eight bytes a key, sorted. Two keys that look alike in 44 bits make something be remembered
 * without need, never forgotten.
 */
export class LaterKeys {
  private readonly entries: BigUint64Array;

  /** @param keys of each chunk, as `OrderingKeys` writes them, in the order of the chunks: at most a million */
  constructor(keys: readonly (Buffer | null)[]) {
    this.entries = new BigUint64Array(keys.reduce((sum, each) => sum + (each?.length ?? 0) / 8, 0));
    let index = 0;
    for (const [place, each] of keys.entries()) {
      for (let at = 0; each !== null && at < each.length; at += 8) {
        this.entries[index++] = entry(each.readBigUInt64BE(at), place);
      }
    }
    this.entries.sort();
  }

  /** Whether a chunk behind this one has the key. */
  after(place: number, key: string): boolean {
    const hash = orderingHash(key);
    const first = entry(hash, place + 1);
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle] ?? 0n) < first) low = middle + 1;
      else high = middle;
    }
    const found = this.entries[low];
    return found !== undefined && found >> PLACE_BITS === hash >> PLACE_BITS;
  }
}

function entry(hash: bigint, place: number): bigint {
  return ((hash >> PLACE_BITS) << PLACE_BITS) | BigInt(place);
}
