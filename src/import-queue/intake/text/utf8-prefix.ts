import { isUtf8 } from 'node:buffer';

/** How many bytes at the end begin a character whose rest is still to come. */
export function incompleteTail(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length += 1) {
    const lead = bytes[bytes.length - length] ?? 0;
    if (lead < 0x80) return 0;
    if (lead >= 0xc0) return length < sequenceLength(lead) ? length : 0;
  }
  return 0;
}

/** Bytes from the beginning that are valid UTF-8. */
export function validPrefix(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    if (!isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

/** How much of the text is characters of more than one byte, and how many bytes are part of none. */
export function countUtf8(bytes: Buffer): { characters: number; stray: number } {
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
