/*
 * What CSV files and workbooks have in common: rows of cells. Everything after this point (header, mapping, reading of
 * values) is the same for every format.
 */

/** A cell of a workbook that has a type. */
export interface TypedCell {
  /** The text that a person sees in a spreadsheet, for columns of text: `007`, `31.12.2025`, `#N/A`. */
  text: string;
  /**
   * The value, for all other columns: plain digits with a point, `2025-12-31`, `2025-12-31T13:45:00`, `13:45:00`, `true`
   * or `false`. Empty for an error.
   */
  value: string;
  /** `unreadable`: the cell has no value that we may trust; `text` says why and completes "the cell …". */
  kind: 'number' | 'date' | 'dateTime' | 'time' | 'boolean' | 'error' | 'unreadable';
}

/** `null`: nothing between two delimiters, or no cell; `''`: a quoted empty cell of a CSV file. */
export type TableCell = string | TypedCell | null;

export interface TableRow {
  /** 1-based line of the file on which the row begins; for a workbook, the same as `row`. */
  line: number;
  /** 1-based row that a spreadsheet shows. It counts blank rows, and is smaller than `line` below a cell with line breaks. */
  row: number;
  cells: readonly TableCell[];
}

/** The bytes of a file that was received completely. */
export interface FileBytes {
  readonly size: number;
  /** All bytes in order, in pieces of any size. Can be called more than once. */
  pieces(): AsyncIterable<Buffer>;
  /** The bytes from `start` to before `end`. */
  range(start: number, end: number): Promise<Buffer>;
}

/** How the cells of a file were found. `null`: the format has no such thing. */
export interface TableFacts {
  format: 'csv' | 'xlsx' | 'ods';
  encoding: string | null;
  delimiter: string | null;
  sheet: string | null;
  /** The names of all sheets, hidden ones last. */
  sheets: readonly string[] | null;
}

/** The rows of one file (for a workbook: of one sheet), from top to bottom. */
export interface TableSource {
  /** Complete once all rows were read. */
  readonly facts: TableFacts;
  /**
   * The rows in blocks of any length. Rows without any cell may be left out, and count in `line` and `row`.
   * @throws DomainError if the file cannot be read
   */
  rows(): AsyncIterable<readonly TableRow[]>;
}
