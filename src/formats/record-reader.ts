import type { DomainError, ProblemDetail } from '../platform/errors.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { jsonPointer, visiblyQuoted } from '../platform/wording.js';
import type { PlainCheck, RecordError } from '../records/target.js';

/** A run of bytes inside a larger buffer. The buffer must not change until the run has been used. */
export interface ByteRange {
  bytes: Buffer;
  start: number;
  end: number;
}

/** The facts about a record that the file format adds to its row. */
export interface RecordOrigin {
  /** Set if the record does not have the required shape (a row with too many cells), so its values are not reliable. */
  error?: RecordError;
  /**
   * Its line in the batch whose results were uploaded; `null` if unreadable. Absent: the file is not a result download.
   */
  originLine?: number | null;
  /** The row that a spreadsheet shows for the record. Absent: the same number as its line. */
  row?: number;
  /** In an undo: the reference of the outcome to revert. */
  reference?: string | null;
  /** The cells of the columns that are not imported, as a JSON array of texts; `null` or absent: none. */
  leftOut?: string | null;
  /**
   * Where the stored text is in the body; absent if it is not there as a whole. The code that stores the text may copy
   * these bytes, which is faster than encoding it again.
   */
  bytes?: ByteRange;
}

/** JSON.parse would silently keep only the last value of the key, so the row is invalid. */
export function duplicateKeyError(key: string): RecordError {
  return {
    code: 'duplicate_key',
    message: `the key ${visiblyQuoted(key.slice(0, MAX_SHOWN_KEY))} occurs more than once in one object`,
    pointer: jsonPointer(key),
  };
}

const MAX_SHOWN_KEY = 100;

/** Receives every record: its 1-based line, the row, and the row as the JSON text that is stored. */
export type RecordSink = (line: number, row: JsonObject, raw: string, origin?: RecordOrigin) => void;

/** Receives the lines that need not be parsed, because their values are accepted where they stand. */
export interface PlainSink {
  /** The checks of lines with these names in this order; `null`: they must be parsed. */
  checksOf(names: readonly string[]): readonly PlainCheck[] | null;
  /** Called right after the checks accepted the line. */
  add(line: number, bytes: Buffer, start: number, end: number, checks: readonly PlainCheck[]): void;
}

/**
 * Turns pieces of a body into records. Pure and synchronous: the caller handles back pressure. After the first error
 * the sink receives nothing more, because nothing will be stored. The reader still reads the rest, so that one answer
 * lists every error.
 */
export interface RecordReader {
  /** Set once, before anything is read. */
  sink: RecordSink;
  /** Set before anything is read. Without it, and by most readers, every record is given to `sink`. */
  plainSink?: PlainSink | null;
  readonly errors: readonly ProblemDetail[];
  readonly errorCount: number;
  /** @throws LineLimitError, and a DomainError for input that cannot be read at all */
  push(piece: Buffer): void;
  end(): void;
  /** The answer if there were errors. */
  malformed(): DomainError;
  /** The answer if there was no record. */
  empty(): DomainError;
}

export const NO_SINK: RecordSink = () => {
  throw new Error('nothing consumes the records');
};

/** The number of errors that are described; further ones are only counted. */
export const MAX_DESCRIBED_ERRORS = 100;

/** A line of the body exceeds the limit. `line` is 1-based. */
export class LineLimitError extends Error {
  override readonly name = 'LineLimitError';

  constructor(readonly line: number) {
    super(`line ${line} is longer than the limit`);
  }
}

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
