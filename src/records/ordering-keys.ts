/**
 * The ordering keys of one chunk as sorted 64-bit hashes: eight bytes a key instead of the key, so that a chunk can
 * be compared with its few unfinished predecessors without reading records. Two keys with one hash make a chunk wait
 * without need (once in 2^64 pairs), never out of turn.
 * Why: ADR 4.
 */
export class OrderingKeys {
  private hashes = new Uint32Array(256);
  private count = 0;

  add(key: string): void {
    if (2 * this.count === this.hashes.length) this.grow();
    const { high, low } = hash(key);
    this.hashes[2 * this.count] = low;
    this.hashes[2 * this.count + 1] = high;
    this.count += 1;
  }

  /** Sorted, 8 bytes big-endian each; `null` where there are none. Ready for the next chunk afterwards. */
  take(): Buffer | null {
    if (this.count === 0) return null;
    const sorted = new BigUint64Array(this.hashes.buffer, 0, this.count).slice().sort();
    this.count = 0;
    return Buffer.from(sorted.buffer).swap64();
  }

  private grow(): void {
    const larger = new Uint32Array(this.hashes.length * 2);
    larger.set(this.hashes);
    this.hashes = larger;
  }
}

/** The hash of one key, as `OrderingKeys` has it. */
export function orderingHash(key: string): bigint {
  const { high, low } = hash(key);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

function hash(key: string): { high: number; low: number } {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let index = 0; index < key.length; index += 1) {
    const code = key.charCodeAt(index);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13);
  }
  return { high: high ^ (high >>> 16), low: low ^ (low >>> 15) };
}

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
