/** An unpaired surrogate, or text that reads like the escape of one, with the backslashes before it. */
const LONE_SURROGATES =
  /(?<!\\)(\\*)(?:(ud[89a-f][0-9a-f]{2})|([\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]))/g;
const SURROGATE_ESCAPES = /(?<!\\)(\\+)(ud[89a-f][0-9a-f]{2})/g;

/**
 * UTF-8 cannot express unpaired surrogates. Written as JSON escapes (`\ud800`), they stay visible and distinct instead
 * of all turning into U+FFFD. Backslashes before such an escape are doubled, also if the text itself contained the
 * escape, so that nothing is ambiguous.
 */
export function escapeLoneSurrogates(text: string): string {
  if (text.isWellFormed() && !text.includes('\\ud')) return text;
  return text.replace(LONE_SURROGATES, (_, backslashes: string, literal: string | undefined, half: string) =>
    literal === undefined
      ? `${backslashes.repeat(2)}\\u${half.charCodeAt(0).toString(16)}`
      : `${backslashes.repeat(2)}${literal}`,
  );
}

/** Undoes `escapeLoneSurrogates`, which never writes two escapes that form a pair: such a text stays as it is. */
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

/**
 * What a spreadsheet may take for the beginning of a formula: also the full-width forms, and also after white space and
 * invisible characters, which some programs remove first.
 */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u;

/** `neutralizeFormula` adds one apostrophe, also where a text already had some: then the number of them stays exact. */
const APOSTROPHES = /^'+/;

/**
 * A negative number evaluates to itself: no binary operator, reference or function fits into these characters. With an
 * apostrophe it would no longer be a number in the spreadsheet. `+49…` is not exempt: it is more often a telephone
 * number than a number, and would lose its plus sign.
 */
const NEGATIVE_NUMBER = /^-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * A spreadsheet whose list separator is another one than ours splits a cell there, and at line ends, even inside of
 * quotes: each part becomes a cell, or begins a line, of its own. So a part that looks like a formula gets an apostrophe
 * as well. The characters skipped in front of it include apostrophes, so that adding some changes no decision.
 */
const SEPARATOR = /[;\t|\r\n]/;
const FORMULA_INSIDE =
  /([;\t|\r\n])(?!-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[;\t|\r\n]|$))(?=['"\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;
const NEUTRALIZED_INSIDE = /([;\t|\r\n])'(?=['"\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;

/** How most cells begin; spares them the slower patterns. */
const HARMLESS_START = /^[0-9A-Za-z]/;

/**
 * A cell that no spreadsheet runs as a formula. The rule: if the text looks like a formula, ignoring any apostrophes in
 * front of it, put one apostrophe in front of the whole text. So `=1` becomes `'=1`, and a `'=1` that was sent as such
 * becomes `''=1`: nothing is ambiguous, and `restoreFormula` removes exactly one. Parts after a separator likewise.
 */
export function neutralizeFormula(text: string): string {
  const inner = SEPARATOR.test(text) ? text.replace(FORMULA_INSIDE, "$1'") : text;
  if (HARMLESS_START.test(text) || NEGATIVE_NUMBER.test(text)) return inner;
  return FORMULA.test(text.replace(APOSTROPHES, '')) ? `'${inner}` : inner;
}

/** Undoes `neutralizeFormula`. */
export function restoreFormula(cell: string): string {
  if (!cell.includes("'")) return cell;
  const text = SEPARATOR.test(cell) ? cell.replace(NEUTRALIZED_INSIDE, '$1') : cell;
  return text.startsWith("'") && FORMULA.test(text.replace(APOSTROPHES, '')) ? text.slice(1) : text;
}

const NEEDS_QUOTES = /[",\r\n]|^[\s{[]|\s$/;

/**
 * One cell of an RFC 4180 file. `null` (the record lacks the column) is nothing between the commas, the empty text is
 * `""`, as PostgreSQL distinguishes them; other readers read both as empty. Text with white space at its ends is quoted,
 * because some readers remove it otherwise, and so is text that begins like JSON, because such a file is not read as CSV.
 */
export function csvCell(text: string | null): string {
  if (text === null) return '';
  if (text === '') return '""';
  const safe = neutralizeFormula(escapeLoneSurrogates(text));
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text that `csvCell` was given. Only for our own downloads (see `readHeader`): other files mean what they contain. */
export function readDownloadedCell(cell: string): string {
  return restoreLoneSurrogates(restoreFormula(cell));
}

/** One line of an RFC 4180 file, including its line end. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
