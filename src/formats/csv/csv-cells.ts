/** Half of a surrogate pair that stands alone, or what reads like the escape of one, and the backslashes before it. */
const LONE_SURROGATES =
  /(?<!\\)(\\*)(?:(ud[89a-f][0-9a-f]{2})|([\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]))/g;
const SURROGATE_ESCAPES = /(?<!\\)(\\+)(ud[89a-f][0-9a-f]{2})/g;

/**
 * UTF-8 has no unpaired surrogates: written as the escapes that JSON has for them (`\ud800`) they stay visible, and
 * apart, instead of all turning into U+FFFD. Backslashes before one are doubled, also where somebody wrote the escape
 * itself: so it stays what it is, and nothing is ambiguous.
 */
export function escapeLoneSurrogates(text: string): string {
  if (text.isWellFormed() && !text.includes('\\ud')) return text;
  return text.replace(LONE_SURROGATES, (_, backslashes: string, literal: string | undefined, half: string) =>
    literal === undefined
      ? `${backslashes.repeat(2)}\\u${half.charCodeAt(0).toString(16)}`
      : `${backslashes.repeat(2)}${literal}`,
  );
}

/** Undoes `escapeHalves`. Two escapes that would make a pair were not written by it, and stay as they are. */
export function restoreLoneSurrogates(text: string): string {
  if (!text.includes('\\ud')) return text;
  let hasHalf = false;
  const restored = text.replace(SURROGATE_ESCAPES, (_, { length }: string, escape: string) => {
    const backslashes = '\\'.repeat(length >> 1);
    if (length % 2 === 0) return backslashes + escape;
    hasHalf = true;
    return backslashes + String.fromCharCode(parseInt(escape.slice(1), 16));
  });
  return hasHalf && restored.isWellFormed() ? text : restored;
}

/** What a spreadsheet may take for the beginning of a formula: also the full-width forms, also behind white space
 * and invisible characters, which some programs cut off first. */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u;

/** Such a text with any number of apostrophes in front: what `neutralise` makes, and what must not look as if it had. */
const APOSTROPHES = /^'+/;

/**
 * A negative number evaluates to itself: no operator with two sides, no reference, no function fits into these
 * characters. With an apostrophe it would no longer be a number in the spreadsheet. `+49…` is no exception: it is
 * more often a telephone number than a number, and would lose its plus sign.
 */
const NEGATIVE_NUMBER = /^-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** What most cells begin with; spares them the dearer looks. */
const HARMLESS_START = /^[0-9A-Za-z]/;

/**
 * A cell that no spreadsheet runs as a formula. The rule: when the text, apostrophes in front of it left aside, looks
 * like a formula, one apostrophe is put in front of the whole. So `=1` becomes `'=1`, and a `'=1` that was sent as
 * such becomes `''=1`: nothing is ambiguous, and `restore` takes exactly one away.
 */
export function neutraliseFormula(text: string): string {
  if (HARMLESS_START.test(text) || NEGATIVE_NUMBER.test(text)) return text;
  return FORMULA.test(text.replace(APOSTROPHES, '')) ? `'${text}` : text;
}

/** Undoes `neutralise`. */
export function restoreFormula(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell.replace(APOSTROPHES, '')) ? cell.slice(1) : cell;
}

const NEEDS_QUOTES = /[",\r\n]|^[\s{[]|\s$/;

/**
 * One cell of an RFC 4180 file. `null` (the record has no such column) is nothing at all between the commas; an empty text is
 * `""`, the way PostgreSQL tells them apart; readers that do not care read both as empty. White space at the ends is quoted,
 * since some readers cut it off otherwise, and what begins like JSON, since a file that does is not read as CSV.
 */
export function csvCell(text: string | null): string {
  if (text === null) return '';
  if (text === '') return '""';
  const safe = neutraliseFormula(escapeLoneSurrogates(text));
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text that `csvCell` was given. Only for files of ours (`csv-header.ts` tells them): others mean what they say. */
export function readDownloadedCell(cell: string): string {
  return restoreLoneSurrogates(restoreFormula(cell));
}

/** One line of an RFC 4180 file, its line end included. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
