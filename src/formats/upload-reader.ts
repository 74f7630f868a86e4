import type { DomainError, ProblemDetail } from '../platform/domain-error.js';
import { type CsvOptions, CsvReader } from './csv/csv-reader.js';
import { binaryFile, emptyFile, jsonArray, spreadsheetFile } from './format.errors.js';
import { JsonLinesReader } from './jsonl/json-lines-reader.js';
import { NO_SINK, type RecordReader, type RecordSink } from './record-reader.js';
import { detectText, statedText } from './text/encoding-detection.js';

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
/** Control characters that text does not contain: all except tab, line ends, VT, form feed, NUL and 0x1C-0x1F. */
const CONTROL = /[\x01-\x08\x0e-\x1b\x7f]/g;

/**
 * Distinguishes CSV from JSON Lines by the first bytes. JSON Lines begins with a brace; any other text is CSV.
 * @throws DomainError 415 for files that are neither, 400 for a JSON array
 */
function uploadFormat(start: Buffer): 'csv' | 'jsonl' {
  const bytes = start.toString('latin1');
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

export interface UploadOptions extends CsvOptions {
  /** A label of the Encoding Standard; `null`: detected from the file. */
  encoding: string | null;
}

/** How a file was read. */
export interface UnderstoodFile {
  format: 'csv' | 'jsonl' | 'xlsx' | 'ods';
  encoding: string | null;
  /** CSV only. */
  delimiter: string | null;
  /** CSV only: each header with its target column of the row (`null`: left out). */
  columns: { header: string; target: string | null }[] | null;
}

/** The number of bytes that format and encoding detection examines. */
const EXAMINED_BYTES = 64 * 1024;

/** Reads an uploaded CSV or JSON Lines file. The content decides between the two. */
export class UploadReader implements RecordReader {
  private held: Buffer[] = [];
  private heldBytes = 0;
  private reader: CsvReader | JsonLinesReader | undefined;

  constructor(
    private readonly options: UploadOptions,
    public sink: RecordSink = NO_SINK,
  ) {}

  get errors(): readonly ProblemDetail[] {
    return this.reader?.errors ?? [];
  }

  get errorCount(): number {
    return this.reader?.errorCount ?? 0;
  }

  push(piece: Buffer): void {
    if (this.reader !== undefined) return this.reader.push(piece);
    this.held.push(piece);
    this.heldBytes += piece.length;
    if (this.heldBytes >= EXAMINED_BYTES) this.begin();
  }

  end(): void {
    if (this.reader === undefined) this.begin();
    this.reader?.end();
  }

  malformed(): DomainError {
    return this.reader?.malformed() ?? emptyFile();
  }

  empty(): DomainError {
    return emptyFile();
  }

  /** Empty cells that left a value unchanged. */
  get emptyCells(): number {
    return this.reader instanceof CsvReader ? this.reader.emptyCells : 0;
  }

  /** How the file was read; complete only after `end`. */
  understood(): UnderstoodFile {
    if (!(this.reader instanceof CsvReader)) {
      return { format: 'jsonl', encoding: 'utf-8', delimiter: null, columns: null };
    }
    const { decoding, delimiter, columns } = this.reader;
    return {
      format: 'csv',
      encoding: decoding.encoding,
      delimiter,
      columns: columns.map(({ header, target }) => ({ header, target })),
    };
  }

  private begin(): void {
    const bytes = Buffer.concat(this.held);
    this.held = [];
    // Only a part of the received bytes: the decision must not depend on the size of the pieces.
    const start = bytes.subarray(0, EXAMINED_BYTES);
    const { encoding } = this.options;
    if (uploadFormat(start) === 'jsonl') {
      this.reader = new JsonLinesReader(this.options.maxLineBytes, this.sink);
      return this.reader.push(bytes);
    }
    const { decoding, skipped } = encoding === null ? detectText(start) : statedText(encoding, start);
    this.reader = new CsvReader(decoding, this.options, this.sink);
    this.reader.push(bytes.subarray(skipped));
  }
}
