import { binaryFile, jsonArray, spreadsheetFile } from './upload.errors.js';

const SIGNATURES: readonly (readonly [kind: string, signature: string])[] = [
  ['a gzip file', '\x1f\x8b'],
  ['a PDF file', '%PDF-'],
  ['an image', '\x89PNG'],
  ['an image', '\xff\xd8\xff'],
  ['a 7-Zip file', '7z\xbc\xaf'],
  ['a Zstandard file', '\x28\xb5\x2f\xfd'],
  ['a bzip2 file', 'BZh'],
  ['a Parquet file', 'PAR1'],
  ['an SQLite file', 'SQLite format 3'],
];
const ZIP = ['PK\x03\x04', 'PK\x05\x06'];
/** The old binary Office format. */
const COMPOUND_FILE = '\xd0\xcf\x11\xe0';
const OFFICE_PARTS = /\[Content_Types\]\.xml|xl\/|_rels\/|mimetypeapplication\/vnd\.oasis/;
const UTF32 = ['\xff\xfe\x00\x00', '\x00\x00\xfe\xff'];
const UTF16 = ['\xff\xfe', '\xfe\xff'];
/** Control characters that no text has: all but tab, line ends, vertical tab, form feed, and NUL and 0x1C-0x1F. */
const CONTROL = /[\x01-\x08\x0e-\x1b\x7f]/g;

/**
 * Tells CSV from JSON Lines by the first bytes. JSON Lines begin with a brace; what else is text is CSV.
 * @throws DomainError 415 for files that are neither, and 400 for a JSON array
 */
export function uploadFormat(start: Buffer): 'csv' | 'jsonl' {
  const bytes = start.toString('latin1', 0, 64 * 1024);
  if (bytes.startsWith(COMPOUND_FILE)) throw spreadsheetFile();
  if (ZIP.some((signature) => bytes.startsWith(signature))) {
    throw OFFICE_PARTS.test(bytes) ? spreadsheetFile() : binaryFile('a ZIP archive');
  }
  for (const [kind, signature] of SIGNATURES) if (bytes.startsWith(signature)) throw binaryFile(kind);
  if (UTF32.some((mark) => bytes.startsWith(mark))) throw binaryFile('text in UTF-32');
  if (UTF16.some((mark) => bytes.startsWith(mark))) return 'csv';
  if ((bytes.match(CONTROL)?.length ?? 0) > bytes.length / 20) throw binaryFile('a binary file');

  const text = bytes.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^\[\s*[[{\]]/.test(text)) throw jsonArray();
  return text.startsWith('{') ? 'jsonl' : 'csv';
}
