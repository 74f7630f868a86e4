import { endOfNumber, isNumberStart } from './number-literals.js';
import type { RowSource } from './row-source.js';

/** Holds every character that may stand between two strings of a JSON text. */
const ONLY_BETWEEN_STRINGS = /^[\s:,[\]{}0-9.eE+\-truefalsn]*$/;

/** Finds how the numbers of one column are written, since a double may not hold them. */
export class NumberText {
  /**
   * The name in quotes. Where a line has no backslash, every quote begins or ends a string, so this stands in it as a
   * whole string only (but for a name of mere punctuation, which may also stand between two strings).
   */
  private readonly quotedName: string | null;

  constructor(private readonly column: string) {
    const name = JSON.stringify(column);
    const isPlain = name.length === column.length + 2 && !ONLY_BETWEEN_STRINGS.test(column);
    this.quotedName = isPlain ? name : null;
  }

  /** `value` as the line has it. Takes for granted that no object within the row has a member of the same name. */
  of(value: number, source: RowSource): string {
    if (this.quotedName !== null && !source.hasBackslash) {
      const { raw } = source;
      // The last: of several members of one name JSON.parse takes that one.
      const found = raw.lastIndexOf(this.quotedName);
      const start = found === -1 ? -1 : startOfValue(raw, found + this.quotedName.length);
      if (start !== -1 && isNumberStart(raw.charCodeAt(start)))
        return raw.slice(start, endOfNumber(raw, start));
    }
    return source.numberText(this.column, value);
  }
}

/** The index after the colon and white space that follow a name; -1 if what ends at `end` is no name. */
function startOfValue(raw: string, end: number): number {
  let index = end;
  while (isWhiteSpace(raw.charCodeAt(index))) index += 1;
  if (raw.charCodeAt(index) !== 0x3a) return -1;
  index += 1;
  while (isWhiteSpace(raw.charCodeAt(index))) index += 1;
  return index;
}

function isWhiteSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}
