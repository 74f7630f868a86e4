/*
 * A reading: the choices by which the bytes of an uploaded file become rows. Uploads and Read use these names as
 * parameters, and `understood` answers them.
 */

import type { ColumnRecipe } from './recipes.js';

export const TRIMS = ['ends', 'none'] as const;
export const EMPTY_CELLS = ['keep', 'clear'] as const;
export const SHORT_ROWS = ['reject', 'fill'] as const;
export const DATE_ORDERS = ['iso', 'dmy', 'mdy', 'ymd'] as const;
export const DECIMAL_MARKS = ['point', 'comma'] as const;
export const BOOLEAN_FORMS = ['words', 'exact'] as const;
export const APOSTROPHES = ['remove', 'keep'] as const;
export const TEXT_CASES = ['upper', 'lower', 'title'] as const;

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
  /** What becomes of the values of a column, by header; an empty recipe replaces that of a saved mapping. */
  recipes: Readonly<Record<string, ColumnRecipe>>;
  /** Values of fields that the file does not have, by field; `null` removes the constant of a saved mapping. */
  constants: Readonly<Record<string, string | null>>;
  /** The name of a saved mapping; `false`: none; `null`: the one that fits the headers. */
  savedMapping: string | false | null;
  /** The choices that the sender made. The others yield to those of a saved mapping. */
  chosen: readonly ChoiceName[];
}

export const CHOICE_NAMES = [
  'encoding',
  'delimiter',
  'sheet',
  'headerRow',
  'trim',
  'emptyCells',
  'shortRows',
  'dateOrder',
  'decimalMark',
  'booleans',
  'apostrophes',
] as const satisfies readonly (keyof Reading)[];
export type ChoiceName = (typeof CHOICE_NAMES)[number];

/** Some choices of a reading. */
export type ReadingChoices = Readonly<Partial<Pick<Reading, ChoiceName>>>;

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
  recipes: {},
  constants: {},
  savedMapping: null,
  chosen: [],
};
