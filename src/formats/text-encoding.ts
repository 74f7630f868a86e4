import { isAscii, isUtf8 } from 'node:buffer';

/** How to read the text of a file. */
export interface DetectedText {
  decoding: TextDecoding;
  /** Bytes of a byte order mark at the beginning, which are not text. */
  skipped: number;
}

const MARKS: readonly (readonly [encoding: string, mark: Buffer])[] = [
  ['utf-8', Buffer.from([0xef, 0xbb, 0xbf])],
  ['utf-16le', Buffer.from([0xff, 0xfe])],
  ['utf-16be', Buffer.from([0xfe, 0xff])],
];

/** Detects the encoding from the first bytes: a byte order mark, zero bytes of UTF-16, or an ASCII-based encoding. */
export function detectText(start: Buffer): DetectedText {
  const found = markOf(start);
  if (found !== undefined) return { decoding: decodingOf(found[0]), skipped: found[1].length };
  const utf16 = utf16Without(start);
  return { decoding: utf16 === undefined ? new DetectedDecoding() : new NamedDecoding(utf16), skipped: 0 };
}

/** The encoding that the caller states. Skips a byte order mark of that encoding. @throws RangeError */
export function statedText(label: string, start: Buffer): DetectedText {
  const decoding = decodingOf(label.toLowerCase());
  const found = markOf(start);
  return { decoding, skipped: found?.[0] === decoding.encoding ? found[1].length : 0 };
}

function decodingOf(label: string): TextDecoding {
  if (label === 'utf-8' || label === 'utf8') return new Utf8Decoding();
  const named = new NamedDecoding(label);
  return named.encoding === 'windows-1252' ? new Windows1252Decoding() : named;
}

function markOf(start: Buffer) {
  return MARKS.find(([, mark]) => start.subarray(0, mark.length).equals(mark));
}

/**
 * In UTF-16, every other byte of Latin text is zero; text in other encodings contains no zero bytes. Of other scripts,
 * only line ends and delimiters have zeros, all of them on the same side.
 */
export function utf16Without(start: Buffer): string | undefined {
  const zeros = [0, 0];
  for (const [index, byte] of start.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  const half = start.length / 2;
  if (half < 2) return undefined;
  if (odd > half * 0.4 && even < half * 0.05) return 'utf-16le';
  if (even > half * 0.4 && odd < half * 0.05) return 'utf-16be';
  if (odd > half * 0.05 && even === 0 && isUtf16(start, 'utf-16le')) return 'utf-16le';
  return even > half * 0.05 && odd === 0 && isUtf16(start, 'utf-16be') ? 'utf-16be' : undefined;
}

/** Whether the bytes are lines of text in this form of UTF-16, without control characters. */
function isUtf16(start: Buffer, encoding: 'utf-16le' | 'utf-16be'): boolean {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(start, { stream: true });
    return /[\r\n]/.test(text) && !/[\x00-\x08\x0e-\x1b\x7f\ufffe\uffff]/.test(text);
  } catch {
    return false;
  }
}

/** Writes text in one encoding of the Encoding Standard. */
export interface TextEncoding {
  /** The name in the Encoding Standard, for example `windows-1252`. */
  readonly encoding: string;
  /** Whether every character can be written. */
  canWrite(text: string): boolean;
  /** The bytes of the text. Characters that the encoding lacks are written as `\uHHHH`. */
  encode(text: string): Buffer;
}

/** One byte for each of these characters, or two bytes, the first of which is at least 0x81. */
const TWO_BYTE = new Set(['shift_jis', 'gbk', 'big5', 'euc-kr']);
const UNWRITABLE = new Set(['iso-2022-jp', 'euc-jp', 'gb18030', 'replacement', 'x-user-defined']);

/** @returns `null` for an encoding that we read but do not write @throws RangeError for an unknown label */
export function textEncoding(label: string): TextEncoding | null {
  const { encoding } = new TextDecoder(label);
  if (encoding === 'utf-8') return UTF_8;
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return utf16(encoding);
  if (UNWRITABLE.has(encoding)) return null;
  return new TableEncoding(encoding);
}

const UTF_8: TextEncoding = {
  encoding: 'utf-8',
  canWrite: () => true,
  encode: (text) => Buffer.from(text, 'utf8'),
};

function utf16(encoding: string): TextEncoding {
  return {
    encoding,
    canWrite: () => true,
    encode: (text) => {
      const bytes = Buffer.from(text, 'utf16le');
      return encoding === 'utf-16be' ? bytes.swap16() : bytes;
    },
  };
}

/** The bytes of every character, found by decoding all bytes, so that both directions agree. */
class TableEncoding implements TextEncoding {
  private readonly bytes = new Map<string, number>();

  constructor(readonly encoding: string) {
    const decoder = new TextDecoder(encoding);
    const add = (code: number, ...bytes: number[]) => {
      const text = decoder.decode(Uint8Array.from(bytes));
      if ([...text].length === 1 && text !== '\ufffd' && !this.bytes.has(text)) this.bytes.set(text, code);
    };
    for (let byte = 0; byte < 256; byte += 1) add(byte, byte);
    if (!TWO_BYTE.has(encoding)) return;
    for (let lead = 0x81; lead < 0xff; lead += 1) {
      for (let trail = 0x40; trail < 0xff; trail += 1) add(lead * 256 + trail, lead, trail);
    }
  }

  canWrite(text: string): boolean {
    for (const character of text) if (!this.bytes.has(character)) return false;
    return true;
  }

  encode(text: string): Buffer {
    const found: number[] = [];
    for (const character of text) {
      const code = this.bytes.get(character);
      if (code === undefined) for (const byte of escaped(character)) found.push(byte);
      else if (code < 256) found.push(code);
      else found.push(code >> 8, code & 0xff);
    }
    return Buffer.from(found);
  }
}

function escaped(character: string): Buffer {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return Buffer.from(units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join(''), 'latin1');
}

/** Bytes that are not text in the encoding. `before` is the text in front of them that was not returned yet. */
export class UndecodableTextError extends Error {
  override readonly name = 'UndecodableTextError';

  constructor(
    readonly encoding: string,
    readonly before: string,
    /** A description of the bytes. */
    readonly found: string,
  ) {
    super(`${found} is not text in ${encoding}`);
  }
}

/** The number of bytes at the end that begin an incomplete character. */
function incompleteTail(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length += 1) {
    const lead = bytes[bytes.length - length] ?? 0;
    if (lead < 0x80) return 0;
    if (lead >= 0xc0) return length < sequenceLength(lead) ? length : 0;
  }
  return 0;
}

/** The number of bytes at the beginning that are valid UTF-8. */
export function validPrefix(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    if (!isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

/** Counts the multi-byte characters, and the bytes that do not belong to any character. */
function countUtf8(bytes: Buffer): { characters: number; stray: number } {
  let characters = 0;
  let stray = 0;
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at] ?? 0;
    const length = sequenceLength(lead);
    if (lead < 0x80) at += 1;
    else if (at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length))) {
      characters += 1;
      at += length;
    } else {
      stray += 1;
      at += 1;
    }
  }
  return { characters, stray };
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/**
 * The characters of the bytes 0x80 to 0x9F; five are undefined. Node's own decoder turns them into control characters.
 */
const HIGH =
  '\u20ac\ufffd\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\ufffd\u017d\ufffd' +
  '\ufffd\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\ufffd\u017e\u0178';
const CONTROL = /[\u0080-\u009f]/g;
const UNDEFINED_BYTES = /[\u0081\u008d\u008f\u0090\u009d]/;

/** The text, and the index of the first undefined byte, or -1. */
function decodeWindows1252(bytes: Buffer): { text: string; undefinedAt: number } {
  const text = bytes.toString('latin1');
  const undefinedAt = text.search(UNDEFINED_BYTES);
  return {
    text: text.replace(CONTROL, (character) => HIGH.charAt(character.charCodeAt(0) - 0x80)),
    undefinedAt,
  };
}

/** Turns bytes into text, regardless of how they arrive in pieces. It never substitutes U+FFFD. */
interface TextDecoding {
  /** In lower case, as far as it is known. */
  readonly encoding: string;
  /** @throws UndecodableTextError */
  push(bytes: Buffer): string;
  /** @throws UndecodableTextError */
  end(): string;
}

class Utf8Decoding implements TextDecoding {
  readonly encoding = 'utf-8';
  private tail: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): string {
    const block = this.tail.length === 0 ? bytes : Buffer.concat([this.tail, bytes]);
    const end = block.length - incompleteTail(block);
    this.tail = block.subarray(end);
    return decodeUtf8(block.subarray(0, end));
  }

  end(): string {
    return decodeUtf8(this.tail);
  }
}

function decodeUtf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const valid = validPrefix(bytes);
  throw new UndecodableTextError('utf-8', bytes.toString('utf8', 0, valid), byteName(bytes[valid] ?? 0));
}

class Windows1252Decoding implements TextDecoding {
  readonly encoding = 'windows-1252';

  push(bytes: Buffer): string {
    const { text, undefinedAt } = decodeWindows1252(bytes);
    if (undefinedAt === -1) return text;
    throw new UndecodableTextError(
      this.encoding,
      text.slice(0, undefinedAt),
      byteName(bytes[undefinedAt] ?? 0),
    );
  }

  end(): string {
    return '';
  }
}

/** Decodes every other encoding that Node supports. */
class NamedDecoding implements TextDecoding {
  readonly encoding: string;
  private readonly decoder: InstanceType<typeof TextDecoder>;
  /** Stays one piece behind, because a decoder that fails does not report the position and cannot be used again. */
  private readonly follower: InstanceType<typeof TextDecoder>;

  /** @throws RangeError if Node does not support the encoding */
  constructor(label: string) {
    this.decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true });
    this.follower = new TextDecoder(label, { fatal: true, ignoreBOM: true });
    this.encoding = this.decoder.encoding;
  }

  push(bytes: Buffer): string {
    let text: string;
    try {
      text = this.decoder.decode(bytes, { stream: true });
    } catch {
      throw this.undecodable(bytes);
    }
    this.follower.decode(bytes, { stream: true });
    return text;
  }

  end(): string {
    try {
      return this.decoder.decode();
    } catch {
      throw new UndecodableTextError(this.encoding, '', 'what follows here');
    }
  }

  /** Decodes byte by byte, up to the byte that fails. */
  private undecodable(bytes: Buffer): UndecodableTextError {
    let before = '';
    try {
      for (let at = 0; at < bytes.length; at += 1) {
        before += this.follower.decode(bytes.subarray(at, at + 1), { stream: true });
      }
    } catch {
      // This byte fails; `before` ends in front of it.
    }
    return new UndecodableTextError(this.encoding, before, 'what follows here');
  }
}

/** The number of bytes, from the first one beyond ASCII, that decide the encoding. */
const EXAMINED = 64 * 1024;

/**
 * Decodes UTF-8 or Windows-1252, depending on the content. Both contain ASCII, so ASCII is passed on as it arrives. The
 * decision waits for the first byte beyond ASCII, no matter how late it comes.
 */
class DetectedDecoding implements TextDecoding {
  private decided: TextDecoding | null = null;
  private held: Buffer[] = [];
  private heldBytes = 0;

  get encoding(): string {
    return this.decided?.encoding ?? 'utf-8';
  }

  push(bytes: Buffer): string {
    if (this.decided !== null) return this.decided.push(bytes);
    if (this.heldBytes === 0 && isAscii(bytes)) return bytes.toString('latin1');
    let plain = '';
    let rest = bytes;
    if (this.heldBytes === 0) {
      const first = bytes.findIndex((byte) => byte >= 0x80);
      plain = bytes.toString('latin1', 0, first);
      rest = bytes.subarray(first);
    }
    this.held.push(rest);
    this.heldBytes += rest.length;
    return this.heldBytes < EXAMINED ? plain : this.decide(false, plain);
  }

  end(): string {
    if (this.decided === null && this.heldBytes === 0) return '';
    const text = this.decided === null ? this.decide(true, '') : '';
    return text + (this.decided?.end() ?? '');
  }

  /** @param plain the text before the held bytes that was not returned yet */
  private decide(whole: boolean, plain: string): string {
    const block = Buffer.concat(this.held);
    this.held = [];
    // The window does not depend on the size of the pieces, so neither does the decision.
    const examined = block.subarray(0, EXAMINED);
    const { characters, stray } = countUtf8(
      whole ? examined : examined.subarray(0, examined.length - incompleteTail(examined)),
    );
    // A few damaged characters do not make UTF-8 another encoding: reading it as one would damage all the others.
    if (characters > stray || stray === 0) this.decided = new Utf8Decoding();
    else if (looksWestern(examined)) this.decided = new Windows1252Decoding();
    else throw new UndecodableTextError('utf-8 or windows-1252', plain, 'what follows here');
    try {
      return plain + this.decided.push(block);
    } catch (error) {
      if (!(error instanceof UndecodableTextError)) throw error;
      throw new UndecodableTextError(error.encoding, plain + error.before, error.found);
    }
  }
}

/**
 * Western text has accented letters between plain letters. Words that consist of bytes beyond ASCII are Greek,
 * Cyrillic, Chinese and so on, which Windows-1252 would silently decode to nonsense.
 */
function looksWestern(bytes: Buffer): boolean {
  let high = 0;
  let inRuns = 0;
  let run = 0;
  for (const byte of bytes) {
    run = byte >= 0x80 ? run + 1 : 0;
    if (run > 0) high += 1;
    if (run === 3) inRuns += 3;
    else if (run > 3) inRuns += 1;
  }
  return inRuns * 2 <= high;
}

function byteName(byte: number): string {
  return `the byte 0x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
