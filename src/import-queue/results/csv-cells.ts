import { escapeHalves, restoreHalves } from './surrogate-escapes.js';

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
export function neutralise(text: string): string {
  if (HARMLESS_START.test(text) || NEGATIVE_NUMBER.test(text)) return text;
  return FORMULA.test(text.replace(APOSTROPHES, '')) ? `'${text}` : text;
}

/** Undoes `neutralise`. */
export function restore(cell: string): string {
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
  const safe = neutralise(escapeHalves(text));
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text that `csvCell` was given. Only for files of ours (`csv-header.ts` tells them): others mean what they say. */
export function cellOfOurs(cell: string): string {
  return restoreHalves(restore(cell));
}

/** One line of an RFC 4180 file, its line end included. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
