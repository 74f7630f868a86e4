import { DomainError, type ProblemDetail } from '../platform/domain-error.js';
import type { UndecodableTextError } from './text/text-decoding.js';

export function emptyBody(): DomainError {
  return new DomainError(
    400,
    'empty_body',
    'The body holds no record',
    'Send at least one line with a JSON object. Nothing was stored.',
  );
}

export function malformedJsonLines(errors: readonly ProblemDetail[], errorCount: number): DomainError {
  const lines = errorCount === 1 ? '1 line is' : `${errorCount} lines are`;
  return new DomainError(
    400,
    'malformed_json_lines',
    'The body is not JSON Lines',
    `${lines} malformed: each line must be one JSON object in UTF-8. Mend what is listed and send the whole body again. Nothing was stored.`,
    { errors, errorCount },
  );
}

export function emptyFile(): DomainError {
  return new DomainError(
    400,
    'empty_body',
    'The file holds no record',
    'The file holds no record: send a CSV file with a header and at least one row below it, or at least one line of JSON. Nothing was stored.',
  );
}

export function malformedCsv(errors: readonly ProblemDetail[], errorCount: number): DomainError {
  const places = errorCount === 1 ? '1 place' : `${errorCount} places`;
  return new DomainError(
    400,
    'malformed_csv',
    'The file is not CSV',
    `The quotes are wrong in ${places}. Mend what is listed and upload the whole file again. Nothing was stored.`,
    { errors, errorCount },
  );
}

export function undecodableText(
  { encoding, found, message }: UndecodableTextError,
  place: { line: number; column: number },
): DomainError {
  return new DomainError(
    400,
    'undecodable_text',
    'The file is not text in the encoding',
    `In line ${place.line}, ${found} is no text in ${encoding}. Save the file as UTF-8, or say which encoding it has (parameter encoding, for example windows-1252). Nothing was stored.`,
    { errors: [{ ...place, code: 'undecodable_text', message }] },
  );
}

export function spreadsheetFile(): DomainError {
  return new DomainError(
    415,
    'spreadsheet_not_supported',
    'Spreadsheet files are not read',
    'This is a spreadsheet (XLSX, XLS or ODS). Open it, choose "Save as" and "CSV UTF-8 (comma delimited)", and upload that file. Nothing was stored.',
  );
}

export function binaryFile(kind: string): DomainError {
  return new DomainError(
    415,
    'not_a_text_file',
    'The file is not text',
    `This is ${kind}, neither CSV nor JSON Lines. Upload a CSV file (UTF-8) with a header, or JSON Lines. Nothing was stored.`,
  );
}

export function jsonArray(): DomainError {
  return new DomainError(
    400,
    'malformed_json_lines',
    'The file is not JSON Lines',
    'The file is one JSON array. Send JSON Lines instead: one object per line, without brackets around and commas between them. Nothing was stored.',
    {
      errors: [
        {
          line: 1,
          column: 1,
          code: 'not_an_object',
          message: 'the file begins with "[": each line must be one JSON object',
        },
      ],
      errorCount: 1,
    },
  );
}
