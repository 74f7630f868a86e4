import type { CsvColumn } from './csv/csv-columns.js';

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
    | 'spreadsheet_errors';
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
  'Nothing in the file says whether the day or the month comes first, so these dates are invalid. Choose the order of dates.';
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
