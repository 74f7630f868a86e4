/** An unpaired surrogate, or text that reads like the escape of one, with the backslashes before it. */
const LONE_SURROGATES =
  /(?<!\\)(\\*)(?:(ud[89a-f][0-9a-f]{2})|([\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]))/g;
const SURROGATE_ESCAPES = /(?<!\\)(\\+)(ud[89a-f][0-9a-f]{2})/g;

/**
 * UTF-8 cannot express unpaired surrogates. Written as JSON escapes (`\ud800`), they stay visible and distinct instead
 * of all turning into U+FFFD. Backslashes before such an escape are doubled, even if the text itself contained the
 * escape, so that the result is unambiguous.
 */
export function escapeLoneSurrogates(text: string): string {
  if (text.isWellFormed() && !text.includes('\\ud')) return text;
  return text.replace(LONE_SURROGATES, (_, backslashes: string, literal: string | undefined, half: string) =>
    literal === undefined
      ? `${backslashes.repeat(2)}\\u${half.charCodeAt(0).toString(16)}`
      : `${backslashes.repeat(2)}${literal}`,
  );
}

/** Undoes `escapeLoneSurrogates`, except two escapes that form a pair, which that function never writes. */
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
 * Text that a spreadsheet may interpret as the beginning of a formula. Includes full-width forms, and leading white
 * space and invisible characters, which some programs remove first.
 */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u;

/** `neutralizeFormula` adds one apostrophe even if the text already has some, so that their number can be restored. */
const APOSTROPHES = /^'+/;

/**
 * A negative number evaluates to itself: these characters cannot form a binary operator, reference or function. With an
 * apostrophe it would no longer be a number in the spreadsheet. `+49…` is not exempt: it is usually a telephone number,
 * and would lose its plus sign.
 */
const NEGATIVE_NUMBER = /^-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * A spreadsheet with a different list separator splits a cell at that separator and at line ends, even inside quotes.
 * Each part becomes a separate cell or begins a new line. So a part that looks like a formula gets an apostrophe as
 * well. The characters skipped before it include apostrophes, so that adding some does not change the decision.
 */
const SEPARATOR = /[;\t|\r\n]/;
const FORMULA_INSIDE =
  /([;\t|\r\n])(?!-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[;\t|\r\n]|$))(?=['"\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;
const NEUTRALIZED_INSIDE = /([;\t|\r\n])'(?=['"\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/gu;

/** The first character of most cells, which then skip the slower patterns. */
const HARMLESS_START = /^[0-9A-Za-z]/;

/**
 * A cell that spreadsheets do not run as a formula. The rule: if the text looks like a formula, ignoring any leading
 * apostrophes, put one apostrophe in front of the whole text. So `=1` becomes `'=1`, and an original `'=1` becomes
 * `''=1`. The result is unambiguous, and `restoreFormula` removes exactly one apostrophe. The same applies to parts
 * after a separator.
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

const NEEDS_QUOTES = /["\r\n]|^[\s{[]|\s$/;

/**
 * One cell of an RFC 4180 file, or of one with another delimiter. `null` (the record lacks the column) is nothing between the commas, and the empty text
 * is `""`, as in PostgreSQL; other readers read both as empty. Text with white space at its ends is quoted, because
 * some readers remove unquoted white space. Text that begins like JSON is quoted, because such a file is not read as
 * CSV.
 */
export function csvCell(text: string | null, delimiter = ','): string {
  if (text === null) return '';
  if (text === '') return '""';
  const safe = neutralizeFormula(escapeLoneSurrogates(text));
  return safe.includes(delimiter) || NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Undoes `csvCell`. Only for our own downloads (see `readHeader`): the cells of other files are taken literally. */
export function readDownloadedCell(cell: string): string {
  return restoreLoneSurrogates(restoreFormula(cell));
}

/** Begins a CSV file in UTF-8, so that Excel does not take it for text in the encoding of the computer. */
export const BYTE_ORDER_MARK = '\ufeff';

/** One line of such a file, including its line end. */
export function csvLine(cells: readonly (string | null)[], delimiter = ','): string {
  return `${cells.map((cell) => csvCell(cell, delimiter)).join(delimiter)}\r\n`;
}

/**
 * A cell of a workbook, where text never runs as a formula. It is changed only if it would be read as the written form
 * of another text.
 */
export function workbookText(text: string): string {
  return readDownloadedCell(text) === text ? text : neutralizeFormula(escapeLoneSurrogates(text));
}
