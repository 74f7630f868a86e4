import type { DomainError, ProblemDetail } from '../../../common/domain.error.js';
import type { JsonObject } from '../../../common/json.js';
import {
  type BodyReader,
  LineLimitError,
  MAX_DESCRIBED_ERRORS,
  NO_SINK,
  type RecordSink,
} from '../body-reader.js';
import type { TextDecoding } from '../text/text-decoding.js';
import { UndecodableTextError } from '../text/undecodable-text.error.js';
import { emptyFile, malformedCsv, undecodableText } from '../upload.errors.js';
import { type ColumnMapping, type CsvColumn, readHeader } from './csv-header.js';
import { CsvRows } from './csv-rows.js';
import { type Cells, CsvTokenizer } from './csv-tokenizer.js';
import { detectDelimiter } from './detect-delimiter.js';

/** Characters from which the delimiter is told. */
const SAMPLE = 256 * 1024;
/** Excel's own way of saying it, on a line before the header. */
const SEPARATOR_LINE = /^"?sep=(.)"?(\r\n|\n|\r)/;

export interface CsvOptions {
  maxLineBytes: number;
  /** `null`: to be told from the file. */
  delimiter: string | null;
  /** Columns of a row of the import process. */
  knownColumns: ReadonlySet<string>;
  mapping: ColumnMapping;
}

/** Reads a CSV file: its first record that is not blank is the header. */
export class CsvReader implements BodyReader {
  readonly errors: ProblemDetail[] = [];
  errorCount = 0;
  delimiter: string | null;
  columns: readonly CsvColumn[] = [];
  private sample: string | null = '';
  private tokenizer: CsvTokenizer | undefined;
  private rows: CsvRows | undefined;

  constructor(
    readonly decoding: TextDecoding,
    private readonly options: CsvOptions,
    public sink: RecordSink = NO_SINK,
  ) {
    this.delimiter = options.delimiter;
  }

  push(piece: Buffer): void {
    this.decoded(() => this.decoding.push(piece));
  }

  end(): void {
    this.decoded(() => this.decoding.end());
    if (this.sample !== null) this.begin(true);
    this.tokenizer?.end();
  }

  malformed(): DomainError {
    return malformedCsv(this.errors, this.errorCount);
  }

  empty(): DomainError {
    return emptyFile();
  }

  private decoded(decode: () => string): void {
    let text: string;
    try {
      text = decode();
    } catch (error) {
      if (!(error instanceof UndecodableTextError)) throw error;
      this.read(error.before);
      if (this.sample !== null) this.begin(true);
      throw undecodableText(error, this.tokenizer?.position() ?? { line: 1, column: 1 });
    }
    this.read(text);
  }

  private read(text: string): void {
    if (this.sample === null) return this.tokenizer?.push(text);
    this.sample += text;
    if (this.sample.length >= SAMPLE) this.begin(false);
  }

  private begin(whole: boolean): void {
    let text = (this.sample ?? '').replace(/^\ufeff/, '');
    this.sample = null;
    const stated = SEPARATOR_LINE.exec(text);
    if (stated !== null) {
      this.delimiter ??= stated[1] ?? null;
      // An empty line in its place: it counts, and is no record.
      text = (stated[2] ?? '\n') + text.slice(stated[0].length);
    }
    // The window, not the text: that depends on the pieces it came in.
    this.delimiter ??= detectDelimiter(
      text.slice(0, SAMPLE),
      whole && text.length <= SAMPLE,
      new Set([...this.options.knownColumns, ...this.options.mapping.keys()]),
    );
    this.tokenizer = new CsvTokenizer(this.delimiter.charCodeAt(0), this.options.maxLineBytes, {
      record: (line, cells) => this.record(line, cells),
      fault: ({ line, column, code, message }) => this.refuse({ line, column, code, message }),
    });
    this.tokenizer.push(text);
  }

  private record(line: number, cells: Cells): void {
    if (this.rows === undefined) {
      const header = readHeader(cells, this.options.mapping);
      this.columns = header.columns;
      this.rows = new CsvRows(header);
      return;
    }
    if (this.errorCount > 0) return;
    const { payload, error, originLine } = this.rows.row(cells);
    if (payload.length > this.options.maxLineBytes) throw new LineLimitError(line);
    // Parsed, not put together: so a column may have any name, `__proto__` too, and later passes see the same.
    const row = JSON.parse(payload) as JsonObject;
    this.sink(line, row, payload, {
      ...(error && { error }),
      ...(originLine !== undefined && { originLine }),
    });
  }

  private refuse(error: ProblemDetail): void {
    this.errorCount += 1;
    if (this.errors.length < MAX_DESCRIBED_ERRORS) this.errors.push(error);
  }
}
