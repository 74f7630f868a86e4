import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSING_BRACE = 0x7d;
const ZERO = 0x30;
/** So many digits are an exact number whatever they are. */
const MOST_DIGITS = 9;

interface Member {
  name: string;
  /** What stands before its value. */
  lead: Buffer;
}

/**
 * The names of a flat row, in their order, and how they are spaced. The lines of a body are much alike, and one that is
 * shaped as another was is read in less than half the time of `JSON.parse`. Whatever is unusual is left to `JSON.parse`:
 * this reads a line exactly as that does, or not at all.
 */
export class RepeatedRowParser {
  private constructor(private readonly members: readonly Member[]) {}

  /** The shape of a line; `null` if it has none that could help. */
  static of(line: string): RepeatedRowParser | null {
    const row = parsed(line);
    if (typeof row !== 'object' || row === null || Array.isArray(row)) return null;
    const names = Object.keys(row);
    // Assigning to this name would not make a member of it.
    if (names.length === 0 || names.includes('__proto__')) return null;
    const space = line.startsWith(`{${JSON.stringify(names[0])}: `) ? ' ' : '';
    const members = names.map((name, index) => {
      const lead = `${index === 0 ? '{' : `,${space}`}${JSON.stringify(name)}:${space}`;
      return { name, lead: Buffer.from(lead) };
    });
    return new RepeatedRowParser(members);
  }

  /**
   * The row that stands there, if it has this shape and its values are plain texts and small whole numbers.
   * @param bytes the block that holds the line from `start` to `end`
   * @param text the same in characters: only ASCII, so that a character is a byte
   */
  read(bytes: Buffer, text: string, start: number, end: number): JsonObject | null {
    const row: JsonObject = {};
    let at = start;
    for (const { name, lead } of this.members) {
      for (let offset = 0; offset < lead.length; offset += 1) {
        if (bytes[at + offset] !== lead[offset]) return null;
      }
      at += lead.length;
      const isText = bytes[at] === QUOTE;
      const valueEnd = isText ? endOfPlainText(bytes, at) : endOfWholeNumber(bytes, at);
      if (valueEnd === -1) return null;
      row[name] = isText ? text.slice(at + 1, valueEnd - 1) : Number(text.slice(at, valueEnd));
      at = valueEnd;
    }
    return bytes[at] === CLOSING_BRACE && at + 1 === end ? row : null;
  }
}

function parsed(line: string): JsonValue {
  try {
    return JSON.parse(line) as JsonValue;
  } catch {
    return null;
  }
}

/** The index after the closing quote; -1 if there is an escape or a control character, a line's end included. */
function endOfPlainText(bytes: Buffer, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte === undefined || byte < 0x20 || byte === BACKSLASH) return -1;
  }
}

function endOfWholeNumber(bytes: Buffer, start: number): number {
  let at = start;
  while (isDigit(bytes[at])) at += 1;
  const digits = at - start;
  const isJson = digits === 1 || (digits > 1 && bytes[start] !== ZERO);
  return isJson && digits <= MOST_DIGITS ? at : -1;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= 0x39;
}
