import type { KeyHash, RecordError } from './target.js';

/** Refused records with the same cause, for the summary of an upload. */
export interface ErrorTallyGroup {
  code: string;
  pointer: string | null;
  count: number;
  /** The first record of the group. */
  sampleLine: number;
  sampleMessage: string;
}

/** Causes counted separately, so that a file of random keys cannot fill the memory. Further causes share one count. */
const MOST_GROUPS = 1000;
const LONGEST_MESSAGE = 500;

/** Counts refused records by code and place as they stream through. */
export class ErrorTally {
  private readonly groups = new Map<string, ErrorTallyGroup>();

  add(line: number, error: RecordError): void {
    const pointer = error.pointer ?? null;
    const key = this.groups.size < MOST_GROUPS ? `${error.code} ${pointer ?? ''}` : '';
    const group = this.groups.get(`${error.code} ${pointer ?? ''}`) ?? this.groups.get(key);
    if (group !== undefined) group.count += 1;
    else {
      const { code, message } = key === '' ? OTHERS : error;
      const sampleMessage = message.slice(0, LONGEST_MESSAGE);
      this.groups.set(key, {
        code,
        pointer: key === '' ? null : pointer,
        count: 1,
        sampleLine: line,
        sampleMessage,
      });
    }
  }

  /** Most frequent first. */
  all(): ErrorTallyGroup[] {
    return [...this.groups.values()].sort((a, b) => b.count - a.count || a.sampleLine - b.sampleLine);
  }
}

const OTHERS = { code: 'other', message: 'more causes than are told apart' };

/*
 * White space and invisible characters at the ends of a value. Users cannot see them, so they never distinguish two
 * identifiers, and uploads remove them from typed values.
 */

/**
 * White_Space, zero-width characters and the soft hyphen; the migration that normalizes identifiers uses the same set.
 */
const INVISIBLE = '\\p{White_Space}\\u200B-\\u200D\\u2060\\uFEFF\\u00AD';
const ENDS = new RegExp(`^[${INVISIBLE}]+|[${INVISIBLE}]+$`, 'gu');

/** The value without white space and invisible characters at its ends. */
export function trimEnds(text: string): string {
  return isVisibleAscii(text.charCodeAt(0)) && isVisibleAscii(text.charCodeAt(text.length - 1))
    ? text
    : text.replace(ENDS, '');
}

/** False for NaN, which is the character code in an empty text. */
function isVisibleAscii(code: number): boolean {
  return code > 0x20 && code < 0x7f;
}

/** Splits the text of a MultiSelectList into options; the reverse of joining escaped options with `;`. */
export function splitOptions(text: string): string[] {
  if (!text.includes('\\')) return text.split(';');
  const options: string[] = [];
  let option = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    const next = text.charAt(index + 1);
    if (character === ';') {
      options.push(option);
      option = '';
    } else if (character === '\\' && (next === ';' || next === '\\')) {
      option += next;
      index += 1;
    } else {
      option += character;
    }
  }
  options.push(option);
  return options;
}

/** An option as part of a text that `splitOptions` reads. */
export function escapeOption(option: string): string {
  return option.replace(/[\\;]/g, '\\$&');
}

const UNNAMED = /^\(column [1-9]\d{0,5}\)$/;

/** The name that stores the cells of a column without a name. `place` is 1-based. */
export function unnamedColumn(place: number): string {
  return `(column ${place})`;
}

/** Spreadsheets write leftover columns that have neither a name nor a value. */
export function isUnnamedColumn(name: string): boolean {
  return UNNAMED.test(name);
}

/**
 * The ordering keys of one chunk as sorted 64-bit hashes of eight bytes per key. A chunk can be compared with its few
 * unfinished predecessors without reading records. Two keys with the same hash (one in 2^64 pairs) make a chunk wait
 * unnecessarily, but never run out of turn.
 * Why: ADR 4.
 */
export class OrderingKeys {
  private hashes = new Uint32Array(256);
  private count = 0;

  add(key: string): void {
    this.addHash(hash(key));
  }

  addHash({ high, low }: KeyHash): void {
    if (2 * this.count === this.hashes.length) this.grow();
    this.hashes[2 * this.count] = low;
    this.hashes[2 * this.count + 1] = high;
    this.count += 1;
  }

  /** The hashes, sorted, 8 bytes big-endian each; `null` if there are none. Resets the object for the next chunk. */
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

/** The hash of one key, as `OrderingKeys` stores it. */
export function orderingHash(key: string): bigint {
  const { high, low } = hash(key);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

function hash(key: string): KeyHash {
  let low = LOW_SEED;
  let high = HIGH_SEED;
  for (let index = 0; index < key.length; index += 1) {
    const code = key.charCodeAt(index);
    low = nextLow(low, code);
    high = nextHigh(high, code);
  }
  return { high: lastHigh(high), low: lastLow(low) };
}

const LOW_SEED = 0x811c9dc5;
const HIGH_SEED = 0x9e3779b9;
const nextLow = (low: number, code: number) => Math.imul(low ^ code, 0x01000193);
const nextHigh = (high: number, code: number) => Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13);
const lastLow = (low: number) => low ^ (low >>> 15);
const lastHigh = (high: number) => high ^ (high >>> 16);

/** The hashes of ordering keys that begin with the same text, read from the bytes of their ends. It makes no objects. */
export class KeyHasher implements KeyHash {
  high = 0;
  low = 0;
  private readonly begunHigh: number;
  private readonly begunLow: number;

  constructor(beginning: string) {
    let low = LOW_SEED;
    let high = HIGH_SEED;
    for (let index = 0; index < beginning.length; index += 1) {
      low = nextLow(low, beginning.charCodeAt(index));
      high = nextHigh(high, beginning.charCodeAt(index));
    }
    this.begunLow = low;
    this.begunHigh = high;
  }

  /**
   * Hashes the beginning and these bytes.
   * @param folded whether upper-case letters count as lower-case ones
   * @returns false if a byte is not ASCII; there is no hash then
   */
  read(bytes: Buffer, start: number, end: number, folded: boolean): boolean {
    let low = this.begunLow;
    let high = this.begunHigh;
    for (let at = start; at < end; at += 1) {
      let code = bytes[at] ?? 0;
      if (code >= 0x80) return false;
      if (folded && code >= 0x41 && code <= 0x5a) code |= 0x20;
      low = nextLow(low, code);
      high = nextHigh(high, code);
    }
    this.low = lastLow(low);
    this.high = lastHigh(high);
    return true;
  }
}

/** The bits for the number of the chunk that has a key. The other bits are the first ones of the hash of the key. */
const PLACE_BITS = 20;
const PLACE_MASK = 2 ** PLACE_BITS - 1;

/**
 * The chunks in which each ordering key of a batch occurs. Built from the hashes stored with the chunks, so it reads no
 * records: eight bytes per key, sorted. Two keys whose hashes agree in 44 bits keep something in memory unnecessarily,
 * but never drop something that is still needed.
 */
export class LaterKeys {
  /** Two numbers per entry: the lower half of the hash, which ends with the place, and the higher half. */
  private readonly entries: Uint32Array;
  /** Those of keys that occur several times: few, so that the search among them is short. */
  private readonly repeated: Uint32Array;

  /** @param keys of each chunk, as `OrderingKeys` writes them, in the order of the chunks: at most a million */
  constructor(keys: readonly (Buffer | null)[]) {
    this.entries = new Uint32Array(keys.reduce((sum, each) => sum + (each?.length ?? 0) / 4, 0));
    let index = 0;
    for (const [place, each] of keys.entries()) {
      for (let at = 0; each !== null && at < each.length; at += 8) {
        this.entries[index] = lowerHalf(each.readUInt32BE(at + 4), place);
        this.entries[index + 1] = each.readUInt32BE(at);
        index += 2;
      }
    }
    new BigUint64Array(this.entries.buffer).sort();
    this.repeated = repeatedOf(this.entries);
  }

  /**
   * Whether records of this chunk beside some of them, or those of a later chunk, have the key. It is asked several times
   * per record, so it makes no objects.
   * @param here how often the key occurs in the records that do not count
   */
  beside(place: number, key: string, here: number): boolean {
    const halves = hash(key);
    const high = halves.high >>> 0;
    const low = lowerHalf(halves.low, place);
    // A key that occurs here occurs again only if it is among the repeated ones.
    const entries = here > 0 ? this.repeated : this.entries;
    let first = 0;
    let end = entries.length / 2;
    while (first < end) {
      const middle = (first + end) >>> 1;
      const found = entries[2 * middle + 1] ?? 0;
      if (found < high || (found === high && (entries[2 * middle] ?? 0) < low)) first = middle + 1;
      else end = middle;
    }
    for (let left = here; entries[2 * first + 1] === high; first += 1) {
      const found = entries[2 * first] ?? 0;
      if (found >>> PLACE_BITS !== low >>> PLACE_BITS) return false;
      if ((found & PLACE_MASK) > place || left === 0) return true;
      left -= 1;
    }
    return false;
  }
}

/** The entries whose hash another entry has, too. */
function repeatedOf(entries: Uint32Array): Uint32Array {
  const isSame = (one: number, other: number) =>
    entries[2 * one + 1] === entries[2 * other + 1] &&
    (entries[2 * one] ?? 0) >>> PLACE_BITS === (entries[2 * other] ?? 0) >>> PLACE_BITS;
  const repeated: number[] = [];
  const count = entries.length / 2;
  for (let index = 0; index < count; index += 1) {
    const isRepeated =
      (index > 0 && isSame(index, index - 1)) || (index < count - 1 && isSame(index, index + 1));
    if (isRepeated) repeated.push(entries[2 * index] ?? 0, entries[2 * index + 1] ?? 0);
  }
  return Uint32Array.from(repeated);
}

function lowerHalf(low: number, place: number): number {
  return ((low & ~PLACE_MASK) | place) >>> 0;
}
