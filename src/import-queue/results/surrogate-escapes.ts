/** Half of a surrogate pair that stands alone, or what reads like the escape of one, and the backslashes before it. */
const HALVES =
  /(?<!\\)(\\*)(?:(ud[89a-f][0-9a-f]{2})|([\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]))/g;
const ESCAPES = /(?<!\\)(\\+)(ud[89a-f][0-9a-f]{2})/g;

/**
 * UTF-8 has no unpaired surrogates: written as the escapes that JSON has for them (`\ud800`) they stay visible, and
 * apart, instead of all turning into U+FFFD. Backslashes before one are doubled, also where somebody wrote the escape
 * itself: so it stays what it is, and nothing is ambiguous.
 */
export function escapeHalves(text: string): string {
  if (text.isWellFormed() && !text.includes('\\ud')) return text;
  return text.replace(HALVES, (_, backslashes: string, literal: string | undefined, half: string) =>
    literal === undefined
      ? `${backslashes.repeat(2)}\\u${half.charCodeAt(0).toString(16)}`
      : `${backslashes.repeat(2)}${literal}`,
  );
}

/** Undoes `escapeHalves`. Two escapes that would make a pair were not written by it, and stay as they are. */
export function restoreHalves(text: string): string {
  if (!text.includes('\\ud')) return text;
  let hasHalf = false;
  const restored = text.replace(ESCAPES, (_, { length }: string, escape: string) => {
    const backslashes = '\\'.repeat(length >> 1);
    if (length % 2 === 0) return backslashes + escape;
    hasHalf = true;
    return backslashes + String.fromCharCode(parseInt(escape.slice(1), 16));
  });
  return hasHalf && restored.isWellFormed() ? text : restored;
}
