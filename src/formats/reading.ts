/*
 * A reading: the choices by which the bytes of an uploaded file become rows. Uploads and Read use these names as
 * parameters, and `understood` answers them.
 */

export const TRIMS = ['ends', 'none'] as const;
export const EMPTY_CELLS = ['keep', 'clear'] as const;
export const SHORT_ROWS = ['reject', 'fill'] as const;
export const DATE_ORDERS = ['iso', 'dmy', 'mdy', 'ymd'] as const;
export const DECIMAL_MARKS = ['point', 'comma'] as const;
export const BOOLEAN_FORMS = ['words', 'exact'] as const;
export const APOSTROPHES = ['remove', 'keep'] as const;

export type DateOrder = (typeof DATE_ORDERS)[number];
export type DecimalMark = (typeof DECIMAL_MARKS)[number];

/** Maps a header to a field, or to `null` for a column that is not imported. */
export type HeaderMapping = Readonly<Record<string, string | null>>;

/** A choice that is `null` is taken from the file. */
export interface Reading {
  /** A label of the Encoding Standard. */
  encoding: string | null;
  /** One character. */
  delimiter: string | null;
  /** The name of a sheet of a workbook. */
  sheet: string | null;
  /** The 1-based row that names the columns; `none`: the columns match the fields by place. */
  headerRow: number | 'none' | null;
  /** Whether white space and invisible characters at both ends of typed values are removed. */
  trim: (typeof TRIMS)[number];
  /** Whether an empty cell leaves the stored value unchanged or clears it. */
  emptyCells: (typeof EMPTY_CELLS)[number];
  /** Whether a row with fewer cells than the header is invalid or filled up with empty cells. */
  shortRows: (typeof SHORT_ROWS)[number];
  dateOrder: DateOrder | null;
  decimalMark: DecimalMark | null;
  /** Whether words such as `yes` are booleans, and options match in any case. */
  booleans: (typeof BOOLEAN_FORMS)[number];
  /** Whether the apostrophe is removed that downloads put before text that looks like a formula. */
  apostrophes: (typeof APOSTROPHES)[number];
  mapping: HeaderMapping;
}

/** Nothing is chosen: everything is taken from the file, and values are only changed where nothing is lost. */
export const DEFAULT_READING: Reading = {
  encoding: null,
  delimiter: null,
  sheet: null,
  headerRow: null,
  trim: 'ends',
  emptyCells: 'keep',
  shortRows: 'reject',
  dateOrder: null,
  decimalMark: null,
  booleans: 'words',
  apostrophes: 'remove',
  mapping: {},
};
