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

/** In UTF-16, every other byte of Latin text is zero; text in other encodings contains no zero bytes. */
function utf16Without(start: Buffer): string | undefined {
  const zeros = [0, 0];
  for (const [index, byte] of start.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  const half = start.length / 2;
  if (half < 2) return undefined;
  if (odd > half * 0.4 && even < half * 0.05) return 'utf-16le';
  return even > half * 0.4 && odd < half * 0.05 ? 'utf-16be' : undefined;
}
