import {
  DetectedDecoding,
  NamedDecoding,
  type TextDecoding,
  Utf8Decoding,
  Windows1252Decoding,
} from './text-decoding.js';

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
