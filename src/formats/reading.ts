import type { ColumnRecipe } from './recipes.js';
import type { CsvColumn } from './csv/csv-columns.js';

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

/*
 * Warnings about the reading of a file: what was guessed, what the user has to decide, and what of a saved mapping did
 * not apply.
 */

/** Something about a file that the user should look at before confirming. */
export interface ReadingWarning {
  code:
    | 'encoding_guessed'
    | 'header_unclear'
    | 'date_order_unclear'
    | 'decimal_mark_unclear'
    | 'mapping_overridden'
    | 'mapping_ignores_field'
    | 'mapping_outdated'
    | 'mapping_reading_ignored'
    | 'spreadsheet_errors'
    | 'identifier_rounded';
  message: string;
  /** The columns concerned, by their names in the file. */
  columns?: string[];
  /** Words or values as they were read. */
  samples?: string[];
}

/** The most words or values that a warning shows. */
export const MOST_WORDS = 3;
const MOST_NAMED = 10;

export const DATE_QUESTION =
  'The file does not settle whether the day or the month comes first, so these dates are invalid. Choose the order of dates.';
export const DECIMAL_QUESTION =
  'These numbers can have a decimal point or a decimal comma: 1.000 is one, or one thousand. Choose the decimal mark of the file.';

export function mentioned(columns: readonly { header: string; samples: readonly string[] }[]) {
  const shown = columns.slice(0, MOST_NAMED);
  return {
    columns: shown.map(({ header }) => header),
    samples: shown.flatMap(({ samples }) => samples).slice(0, MOST_WORDS),
  };
}

export function encodingGuessed(words: readonly string[]): ReadingWarning {
  const message =
    'The encoding was guessed: the file does not state one. Check whether these words look right; if not, choose another encoding.';
  return { code: 'encoding_guessed', message, samples: [...words] };
}

/** Spreadsheets write long digits as 1.23457E+19, and the digits are lost. */
export function identifierRounded(
  columns: readonly { header: string; samples: readonly string[] }[],
): ReadingWarning {
  const message =
    'A spreadsheet has written these identifiers as rounded numbers, so they may stand for other things. Restore them in the file, in a column formatted as text.';
  return { code: 'identifier_rounded', message, ...mentioned(columns) };
}

export function headerUnclear(columns: readonly CsvColumn[]): ReadingWarning {
  const message =
    'The first row names too few fields, so it may not be the header. Choose the header row, or say that the file has no header.';
  return {
    code: 'header_unclear',
    message,
    columns: columns.slice(0, MOST_NAMED).map(({ header }) => header),
  };
}

export function mappingOverridden(headers: readonly string[]): ReadingWarning {
  const message =
    'A saved match was not applied to these columns, because the file has a column with the name of the field.';
  return { code: 'mapping_overridden', message, columns: headers.slice(0, MOST_NAMED) };
}

/** A mapping may be older than a field. A column with exactly the name of the field is then imported. */
export function mappingIgnoresFields(
  ignored: readonly string[],
  columns: readonly CsvColumn[],
): ReadingWarning[] {
  const targets = new Map(columns.map(({ header, target }) => [header, target]));
  const isImported = (header: string) => targets.get(header) === header;
  const warnings: [string[], string][] = [
    [
      ignored.filter(isImported),
      'The saved mapping ignores these columns, but they are fields now, so they are imported.',
    ],
    [
      ignored.filter((header) => !isImported(header)),
      'The saved mapping ignores these columns, but they match a field. Choose the field to import them.',
    ],
  ];
  return warnings
    .filter(([headers]) => headers.length > 0)
    .map(([headers, message]) => {
      return { code: 'mapping_ignores_field', message, columns: headers.slice(0, MOST_NAMED) };
    });
}

export function mappingOutdated(fields: readonly string[]): ReadingWarning {
  const message = 'The saved mapping names fields that do not exist, so these values are not imported.';
  return { code: 'mapping_outdated', message, columns: [...new Set(fields)].slice(0, MOST_NAMED) };
}
