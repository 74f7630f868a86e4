import { trimEnds } from '../records/rows.js';
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
type ReadingChoices = Readonly<Partial<Pick<Reading, ChoiceName>>>;

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

/*
 * Value recipes: what becomes of the cells of one column before its rows are checked. A recipe belongs to a header, so
 * that it survives a change of the order of columns.
 */

/** Every member is optional; without one, the reading of the file decides. */
export interface ColumnRecipe {
  /** `ends` also trims text, which the reading of a file never does. */
  trim?: (typeof TRIMS)[number];
  case?: (typeof TEXT_CASES)[number];
  dateOrder?: (typeof DATE_ORDERS)[number];
  decimalMark?: (typeof DECIMAL_MARKS)[number];
  /** From a value of the file to the value that is imported; an empty value makes the cell empty. */
  values?: Readonly<Record<string, string>>;
  /** The value of empty cells. */
  default?: string;
  emptyCells?: (typeof EMPTY_CELLS)[number];
}

/** The members of a recipe, in the order in which a cell passes them. */
export const RECIPE_PARTS = [
  'trim',
  'values',
  'case',
  'dateOrder',
  'decimalMark',
  'default',
  'emptyCells',
] as const satisfies readonly (keyof ColumnRecipe)[];

/** What a saved mapping holds about one column. */
export interface MappedColumn extends ColumnRecipe {
  /** `null`: the column is not imported. */
  field: string | null;
}

/** What a saved mapping says about files that fit it. */
export interface SavedMapping {
  name: string;
  reading: ReadingChoices;
  /** By header. */
  columns: Readonly<Record<string, MappedColumn>>;
  /** Values of fields that the file does not have, by field. */
  constants: Readonly<Record<string, string>>;
}

/** The recipe of a column without its field; `null` if nothing is left. */
export function recipeOf({ ...members }: ColumnRecipe & { field?: unknown }): ColumnRecipe | null {
  delete members.field;
  return Object.keys(members).length === 0 ? null : members;
}

/** The columns of a mapping as header rules know them. */
export function fieldsOf(mapping: SavedMapping | null): ReadonlyMap<string, string | null> {
  return new Map(Object.entries(mapping?.columns ?? {}).map(([header, { field }]) => [header, field]));
}

/**
 * The mapping that fits a header: the file has every column that the mapping imports. Of several, the one that names
 * most of the columns; of those, the first.
 * @param mappings the ones saved last first
 */
export function mappingThatFits(
  mappings: readonly SavedMapping[],
  headers: readonly string[],
): SavedMapping | null {
  const present = new Set(headers);
  let best: SavedMapping | null = null;
  let most = 0;
  for (const mapping of mappings) {
    const columns = Object.entries(mapping.columns);
    const imported = columns.filter(([, { field }]) => field !== null);
    const needed = imported.length > 0 ? imported : columns;
    if (!needed.every(([header]) => present.has(header))) continue;
    const named = columns.filter(([header]) => present.has(header)).length;
    if (named > most) [best, most] = [mapping, named];
  }
  return best;
}

/** What is saved of a reading for later files: each choice that the sender made, without those that concern one file. */
export function choicesOf({ chosen, ...reading }: Reading): ReadingChoices {
  return Object.fromEntries(chosen.map((name) => [name, reading[name]]));
}

/** The reading with the choices of a mapping where the sender made none. */
export function withChoicesOf(reading: Reading, choices: ReadingChoices): Reading {
  const open = Object.entries(choices).filter(([name]) => !reading.chosen.some((chosen) => chosen === name));
  return { ...reading, ...Object.fromEntries(open) };
}

/** The columns and constants that a file was read with, as a mapping for later files. */
export function mappingFrom(
  columns: readonly { header: string; target: string | null; recipe?: ColumnRecipe }[],
  decided: HeaderMapping,
): Record<string, MappedColumn> {
  const kept = columns.filter(({ header, target }) => target !== null || decided[header] === null);
  return Object.fromEntries(kept.map(({ header, target, recipe }) => [header, { field: target, ...recipe }]));
}

/** Applies the parts of a recipe that replace texts. */
export class ValueRecipe {
  private readonly values: ReadonlyMap<string, string>;

  /** @param isOurs the values of our downloads have passed the recipe before, so a value must not be replaced twice */
  constructor(
    private readonly recipe: ColumnRecipe,
    isOurs: boolean,
  ) {
    const values = Object.entries(recipe.values ?? {});
    const isStable = values.every(([, to]) => (recipe.values?.[to] ?? to) === to);
    this.values = new Map(isOurs && !isStable ? [] : values.map(([from, to]) => [trimEnds(from), to]));
  }

  /** The value that the map has for a text; `undefined` if it has none. */
  replaced(text: string): string | undefined {
    return this.values.get(trimEnds(text));
  }

  /** The text in the case of the recipe. */
  cased(text: string): string {
    switch (this.recipe.case) {
      case 'upper':
        return text.toUpperCase();
      case 'lower':
        return text.toLowerCase();
      case 'title':
        return text
          .toLowerCase()
          .replace(/(^|[^\p{L}\p{N}\p{M}'’])(\p{L})/gu, (_, before: string, letter: string) => {
            // The upper case of ß has two letters.
            const [first = '', ...rest] = letter.toUpperCase();
            return before + first + rest.join('').toLowerCase();
          });
      default:
        return text;
    }
  }
}
