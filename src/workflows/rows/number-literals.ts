const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The numbers of a JSON object as they are written, by name: `JSON.parse` makes 0.1 of 0.10000000000000001 and
 * Infinity of 1e400. Only the object's own members, not those of objects within it; as with `JSON.parse`, the last
 * of several members of one name counts. The text must be a JSON object that `JSON.parse` has accepted.
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
      // A string where no name is known yet is a name; a string that follows one is its value.
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

export function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

/** The index after the number that begins at `start`. */
export function endOfNumber(json: string, start: number): number {
  let end = start + 1;
  for (;;) {
    const code = json.charCodeAt(end);
    const isPart = (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2b || code === 0x2d;
    if (!isPart && code !== 0x65 && code !== 0x45) return end;
    end += 1;
  }
}
