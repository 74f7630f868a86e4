import { booleanType, valueTypeOf } from '../../workflows/rows/values/attribute-values.js';
import { RowSource, ValueError } from '../../workflows/rows/values/value-type.js';
import { CsvTokenizer } from '../../formats/csv/csv-tokenizer.js';
import { LineLimitError } from '../../formats/record-reader.js';
import type { TableCell } from '../../formats/table.js';
import { trimEnds } from '../../records/rows.js';

/** The types whose values can be recognized by their form, the most specific first. */
export const MEASURED_TYPES = ['Email', 'Url', 'Date', 'DateTime', 'Numeric'] as const;
export type MeasuredType = (typeof MEASURED_TYPES)[number];

/**
 * A day in one of the orders that an upload can read. A year of two digits is not recognized, because no one can know
 * its century. Whether the day exists does not matter: a wrong day is a mistake in a column of dates.
 */
const DAY = /^(\d{4}([-./])\d{1,2}\2\d{1,2}|\d{1,2}([-./])\d{1,2}\3\d{4})( 00:00(:00)?)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?$/;
/** Without thousands separators. Zeros at the beginning and more digits than a double holds mark codes, not amounts. */
const NUMBER = /^[-+]?(0|[1-9]\d{0,14})([.,]\d{1,15})?$/;
const NOTHING = new RowSource('{}');
const EMAIL = valueTypeOf({ name: 'value', type: 'Email' });
const URL_TYPE = valueTypeOf({ name: 'value', type: 'Url' });

/** Whether a value, without white space at its ends, has the form of the type. */
export function fitsType(type: MeasuredType, value: string): boolean {
  switch (type) {
    case 'Email':
      return value.includes('@') && !(EMAIL.parse(value, NOTHING) instanceof ValueError);
    case 'Url':
      return value.includes('://') && !(URL_TYPE.parse(value, NOTHING) instanceof ValueError);
    case 'Date':
      return value.length <= 20 && DAY.test(value);
    case 'DateTime':
      return value.length <= 40 && TIME.test(value);
    case 'Numeric':
      return value.length <= 40 && NUMBER.test(value);
  }
}

/** Whether the value is a word for yes or no. 1 and 0 are not words. */
export function isBooleanWord(value: string): boolean {
  return !/^[01]$/.test(value) && typeof booleanType.parse(value, NOTHING) === 'boolean';
}

/** Delimiters that spreadsheets and databases write, most common first. */
const DELIMITERS = [',', ';', '\t', '|'];
const EXAMINED_ROWS = 500;

/**
 * The delimiter of a table below any number of title lines: the one with which most rows have the same number of cells,
 * above one. A comma if no delimiter cuts the rows.
 * @param sample the beginning of the text, which may end anywhere
 */
export function detectTableDelimiter(sample: string): string {
  let best = { delimiter: ',', agreeing: 0, width: 1 };
  for (const delimiter of DELIMITERS) {
    const { agreeing, width } = commonWidth(sample, delimiter);
    const isBetter = agreeing > best.agreeing || (agreeing === best.agreeing && width > best.width);
    if (width > 1 && isBetter) best = { delimiter, agreeing, width };
  }
  return best.delimiter;
}

/** The number of cells that most rows have, and how many rows have it. */
function commonWidth(sample: string, delimiter: string): { width: number; agreeing: number } {
  const widths = new Map<number, number>();
  let rows = 0;
  const tokenizer = new CsvTokenizer(delimiter.charCodeAt(0), sample.length + 1, {
    record: (_line, cells) => {
      rows += 1;
      if (rows <= EXAMINED_ROWS) widths.set(cells.length, (widths.get(cells.length) ?? 0) + 1);
    },
    fault: () => undefined,
  });
  try {
    tokenizer.push(sample);
    tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  return [...widths]
    .filter(([width]) => width > 1)
    .map(([width, agreeing]) => ({ width, agreeing }))
    .reduce((most, each) => (each.agreeing > most.agreeing ? each : most), { width: 1, agreeing: 0 });
}

export type TableCells = readonly TableCell[];

/** The row that names the columns of a table. */
export interface HeaderRow {
  /** Its index among the given rows. */
  index: number;
  /** It may be the first record: its cells look like values, or two of them are equal. */
  isDoubtful: boolean;
}

/** A header stands within the first rows, below titles and notes. */
const HEADER_WITHIN = 20;
/** A header names at least this share of the cells that a usual row fills. */
const NAMED_SHARE = 0.6;

/**
 * Finds the row with the names of the columns when no name is known: the first row that is as wide as the rows below
 * it and whose cells are different words. If no row is like that, it is the first wide row.
 * @param rows the beginning of the table, at least one row, without blank rows
 */
export function findHeader(rows: readonly TableCells[]): HeaderRow {
  const wanted = Math.max(1, Math.ceil(usualWidth(rows) * NAMED_SHARE));
  const wide = rows
    .slice(0, HEADER_WITHIN)
    .flatMap((cells, index) => (filledCells(cells).length >= wanted ? [{ cells, index }] : []));
  const named = wide.find(({ cells }) => areNames(filledCells(cells)));
  // A row of names far below the first wide row is a record that happens to consist of words.
  const first = wide[0]?.index ?? 0;
  if (named !== undefined && named.index <= first + 1) return { index: named.index, isDoubtful: false };
  return { index: first, isDoubtful: true };
}

/** The number of cells that the median row fills. */
function usualWidth(rows: readonly TableCells[]): number {
  const widths = rows.map((cells) => filledCells(cells).length).sort((a, b) => a - b);
  return widths[Math.floor(widths.length / 2)] ?? 0;
}

/** The cells that have a value, without white space at their ends. */
export function filledCells(cells: TableCells): string[] {
  return cells.flatMap((cell) => {
    const value = trimEnds(shownCell(cell));
    return value === '' ? [] : [value];
  });
}

function areNames(cells: readonly string[]): boolean {
  const isDifferent = new Set(cells.map((cell) => cell.toLowerCase())).size === cells.length;
  return isDifferent && cells.every((cell) => !MEASURED_TYPES.some((type) => fitsType(type, cell)));
}

/** The text of a cell that a person sees. */
export function shownCell(cell: TableCell | undefined): string {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'string' ? cell : cell.text;
}
