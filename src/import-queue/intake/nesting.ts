const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Where a JSON text first nests deeper than `limit` levels of objects and arrays (UTF-16 index of the bracket
 * that is too much), or -1. Most lines are flat, which two searches at the speed of memory tell.
 */
export function findTooDeepNesting(json: string, limit: number): number {
  if (json.indexOf('[') === -1 && json.indexOf('{', json.indexOf('{') + 1) === -1) return -1;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const code = json.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > limit) return index;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return -1;
}
