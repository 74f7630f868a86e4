/*
 * White space and invisible characters at the ends of a value. Nobody sees them, so they never distinguish two identifiers,
 * and uploads remove them from typed values.
 */

/** Unicode White_Space, zero width characters and the soft hyphen; also the set of the migration that normalizes identifiers. */
const INVISIBLE = '\\p{White_Space}\\u200B-\\u200D\\u2060\\uFEFF\\u00AD';
const ENDS = new RegExp(`^[${INVISIBLE}]+|[${INVISIBLE}]+$`, 'gu');

/** The value without white space and invisible characters at its ends. */
export function trimEnds(text: string): string {
  return isVisibleAscii(text.charCodeAt(0)) && isVisibleAscii(text.charCodeAt(text.length - 1))
    ? text
    : text.replace(ENDS, '');
}

/** False for NaN, the code of an empty text. */
function isVisibleAscii(code: number): boolean {
  return code > 0x20 && code < 0x7f;
}
