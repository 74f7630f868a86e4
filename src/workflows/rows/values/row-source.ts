const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The numbers of a JSON object as they are written, by name: `JSON.parse` turns 0.10000000000000001 into 0.1 and 1e400
 * into Infinity. Only the object's own members, not those of nested objects; as with `JSON.parse`, the last of several
 * members with one name counts. `JSON.parse` must have accepted the text as an object.
 */
export function numberLiterals(json: string): ReadonlyMap<string, string> {
  const literals = new Map<string, string>();
  let depth = 0;
  let index = 0;
  let name: string | null = null;
  while (index < json.length) {
    const code = json.charCodeAt(index);
    if (code === QUOTE) {
      const end = endOfString(json, index);
      // The first string is a name; a string after a name is its value.
      if (depth === 1 && name === null) name = nameAt(json, index, end);
      index = end;
    } else if (depth === 1 && name !== null && isNumberStart(code)) {
      const end = endOfNumber(json, index);
      literals.set(name, json.slice(index, end));
      index = end;
    } else {
      if (code === 0x7b || code === 0x5b) {
        if (depth === 1 && name !== null) literals.delete(name);
        depth += 1;
      } else if (code === 0x7d || code === 0x5d) depth -= 1;
      else if (code === 0x2c && depth === 1) name = null;
      index += 1;
    }
  }
  return literals;
}

/** The index after the closing quote. */
function endOfString(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end + 1;
}

function isEscaped(json: string, quote: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function nameAt(json: string, start: number, end: number): string {
  const name = json.slice(start + 1, end - 1);
  return name.includes('\\') ? (JSON.parse(json.slice(start, end)) as string) : name;
}

function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

/** The index after the number that begins at `start`. */
function endOfNumber(json: string, start: number): number {
  let end = start + 1;
  for (;;) {
    const code = json.charCodeAt(end);
    const isPart = (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2b || code === 0x2d;
    if (!isPart && code !== 0x65 && code !== 0x45) return end;
    end += 1;
  }
}

/** Matches texts that consist only of characters that can stand between two strings of a JSON text. */
const ONLY_BETWEEN_STRINGS = /^[\s:,[\]{}0-9.eE+\-truefalsn]*$/;

/** Finds how the numbers of one column are written, because a double may not hold them. */
export class NumberText {
  /**
   * The name in quotes. In a line without backslashes every quote begins or ends a string, so a match is always a whole
   * string (except for names of mere punctuation, which can also stand between two strings).
   */
  private readonly quotedName: string | null;

  constructor(private readonly column: string) {
    const name = JSON.stringify(column);
    const isPlain = name.length === column.length + 2 && !ONLY_BETWEEN_STRINGS.test(column);
    this.quotedName = isPlain ? name : null;
  }

  /** `value` as the line has it. Assumes that no object within the row has a member of the same name. */
  of(value: number, source: RowSource): string {
    if (this.quotedName !== null && !source.hasBackslash) {
      const { raw } = source;
      // The last one: JSON.parse takes the last of several members with one name.
      const found = raw.lastIndexOf(this.quotedName);
      const start = found === -1 ? -1 : startOfValue(raw, found + this.quotedName.length);
      if (start !== -1 && isNumberStart(raw.charCodeAt(start)))
        return raw.slice(start, endOfNumber(raw, start));
    }
    return source.numberText(this.column, value);
  }
}

/** The index after the colon and white space that follow a name; -1 if the text that ends at `end` is not a name. */
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

/** Details of a row's values that only the line itself has. */
export class RowSource {
  /** Without a backslash, every name and text is written literally. */
  readonly hasBackslash: boolean;
  /** Whether a string of the row may hold what PostgreSQL cannot store: JSON can only write that as an escape. */
  readonly mayBeUnstorable: boolean;
  private literals: ReadonlyMap<string, string> | undefined;

  /** @param raw the JSON object as it was sent */
  constructor(readonly raw: string) {
    this.hasBackslash = raw.includes('\\');
    this.mayBeUnstorable = this.hasBackslash && raw.includes('\\u');
  }

  /** A number as it is written in the line. Reads the whole line; `NumberText` is faster for one column of many rows. */
  numberText(column: string, value: number): string {
    this.literals ??= numberLiterals(this.raw);
    return this.literals.get(column) ?? String(value);
  }
}
