import type { DomainError, ProblemDetail } from '../../common/domain.error.js';
import { type BodyReader, NO_SINK, type RecordSink } from './body-reader.js';
import { type CsvOptions, CsvReader } from './csv/csv-reader.js';
import { JsonLinesReader } from './json-lines-reader.js';
import { detectText, statedText } from './text/detect-encoding.js';
import { emptyFile } from './upload.errors.js';
import { uploadFormat } from './upload-format.js';

export interface UploadOptions extends CsvOptions {
  /** A label as the Encoding Standard has them; `null`: to be told from the file. */
  encoding: string | null;
}

/** What was understood of a file. */
export interface Understood {
  format: 'csv' | 'jsonl';
  encoding: string;
  /** Of CSV. */
  delimiter: string | null;
  /** Of CSV: the header, and the column of a row each goes to (`null`: left out). */
  columns: { header: string; target: string | null }[] | null;
}

/** Bytes from which format and encoding are told. */
const START = 64 * 1024;

/** Reads an uploaded file, CSV or JSON Lines: which of both is told by its content. */
export class UploadReader implements BodyReader {
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
    if (this.heldBytes >= START) this.begin();
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

  /** What is known once the file was read to its end. */
  understood(): Understood {
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
    // The window, not all that is there: that depends on the pieces it came in.
    const start = bytes.subarray(0, START);
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
