import { defineErrors, type DomainError, type ProblemDetail } from '../platform/errors.js';
import type { UndecodableTextError } from './text-encoding.js';

/** Refusals of a whole body or file that cannot be read as records. */
export const formatErrors = defineErrors({
  empty_body: { status: 400, title: 'The body contains no record' },
  malformed_json_lines: { status: 400, title: 'The body is not JSON Lines' },
  malformed_csv: { status: 400, title: 'The file is not valid CSV' },
  duplicate_columns: { status: 400, title: 'The header names a column more than once' },
  too_many_columns: { status: 400, title: 'There are too many columns' },
  header_row_missing: { status: 400, title: 'The file does not have the chosen header row' },
  undecodable_text: { status: 400, title: 'The file is not text in this encoding' },
  too_large_for_workbook: { status: 400, title: 'A workbook cannot hold this' },
  unknown_sheet: { status: 400, title: 'The workbook has no such sheet' },
  unsupported_file: { status: 415, title: 'Files of this kind are not read' },
  damaged_workbook: { status: 422, title: 'The workbook cannot be read' },
});

export function emptyBody(): DomainError {
  return formatErrors.empty_body('Send at least one line with a JSON object. Nothing was stored.');
}

export function emptyFile(): DomainError {
  return formatErrors.empty_body(
    'The file contains no record. Send a CSV file with a header and at least one row below it, or at least one line of JSON. Nothing was stored.',
  );
}

/** @param advice what the body probably is instead, as a sentence */
export function malformedJsonLines(
  errors: readonly ProblemDetail[],
  errorCount: number,
  advice: string | null,
): DomainError {
  const lines = errorCount === 1 ? '1 line is' : `${errorCount} lines are`;
  const next = advice ?? 'Fix the listed lines and send the whole body again.';
  return formatErrors.malformed_json_lines(
    `${lines} malformed: each line must be one JSON object in UTF-8. ${next} Nothing was stored.`,
    { errors, errorCount },
  );
}

export function jsonArray(): DomainError {
  const message = 'the file begins with "[": each line must be one JSON object';
  return formatErrors.malformed_json_lines(
    'The file is one JSON array. Send JSON Lines instead: one object per line, without the enclosing brackets and without commas between the objects. Nothing was stored.',
    { errors: [{ line: 1, column: 1, code: 'not_an_object', message }], errorCount: 1 },
  );
}

export function malformedCsv(errors: readonly ProblemDetail[], errorCount: number): DomainError {
  const places = errorCount === 1 ? '1 place' : `${errorCount} places`;
  return formatErrors.malformed_csv(
    `The quotes are wrong in ${places}. Fix the listed places and upload the whole file again. Nothing was stored.`,
    { errors, errorCount },
  );
}

export function duplicateColumns(
  names: readonly string[],
  errors: readonly ProblemDetail[],
  errorCount: number,
): DomainError {
  return formatErrors.duplicate_columns(
    `The header names ${names.join(', ')} more than once. Give each column its own name in the file, and match each field to one column only. Nothing was stored.`,
    { errors, errorCount },
  );
}

export function tooManyColumns(found: number, limit: number): DomainError {
  return formatErrors.too_many_columns(
    `The header has ${found} columns; the limit is ${limit}. Nothing was stored.`,
    { limit },
  );
}

/** @param limit the most distinct keys in the records of one CSV file */
export function tooManyKeys(limit: number): DomainError {
  return formatErrors.too_many_columns(
    `The records have more than ${limit} different keys. Use format=jsonl, which has no columns.`,
    { limit },
  );
}

export function headerRowMissing(row: number): DomainError {
  return formatErrors.header_row_missing(
    `Row ${row} of the file is empty, or the file ends before it. Choose the row that names the columns, or "none" if the file has no header.`,
  );
}

export function undecodableText(
  { encoding, found, message }: UndecodableTextError,
  place: { line: number; column: number },
): DomainError {
  return formatErrors.undecodable_text(
    `In line ${place.line}, ${found} is not text in ${encoding}. Save the file as UTF-8, or name its encoding in the parameter "encoding" (for example windows-1252). Nothing was stored.`,
    { errors: [{ ...place, code: 'undecodable_text', message }] },
  );
}

/**
 * @param kind what the file is, for example "a PDF file"
 * @param advice what to do instead, as a sentence
 */
export function unsupportedFile(kind: string, advice: string): DomainError {
  return formatErrors.unsupported_file(`This is ${kind}. ${advice} Nothing was stored.`);
}

/** @param reason completes "The workbook …" */
export function damagedWorkbook(reason: string, limit: number | undefined, cause: Error): DomainError {
  return formatErrors.damaged_workbook(
    `The workbook ${reason}. Open it in a spreadsheet program, save it again as .xlsx, and upload that file. Nothing was stored.`,
    { cause, ...(limit !== undefined && { limit }) },
  );
}

export function noSuchSheet(names: readonly string[]): DomainError {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name));
  const message = `sheet must be the name of a sheet: ${shown.join(', ')}${names.length > 20 ? ', …' : ''}`;
  return formatErrors.unknown_sheet('The workbook has no sheet of that name. Nothing was stored.', {
    errors: [{ parameter: 'sheet', code: 'unknown_sheet', message }],
  });
}

/** @param what what is more than a workbook can hold, for example "rows" */
export function tooLargeForWorkbook(what: string, limit: number): DomainError {
  return formatErrors.too_large_for_workbook(
    `A workbook holds at most ${limit.toLocaleString('en')} ${what}. Use format=csv or format=jsonl.`,
    { limit },
  );
}
