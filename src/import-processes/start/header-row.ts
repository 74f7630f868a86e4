import type { TableCell } from '../../formats/table.js';
import { trimEnds } from '../../records/rows.js';
import { fitsType, MEASURED_TYPES } from './value-shapes.js';

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
