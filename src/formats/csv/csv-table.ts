import type { ProblemDetail } from '../../platform/domain-error.js';
import { malformedCsv, undecodableText } from '../format.errors.js';
import { MAX_DESCRIBED_ERRORS } from '../record-reader.js';
import type { TableFacts, TableRow, TableSource } from '../table.js';
import type { DetectedText } from '../text/text-encoding.js';
import { UndecodableTextError } from '../text/text-decoding.js';
import type { FieldNames } from './csv-columns.js';
import { CsvTokenizer } from './csv-tokenizer.js';
import { detectDelimiter } from './delimiter-detection.js';

/** The number of characters that delimiter detection examines. */
const SAMPLE = 256 * 1024;
/** How Excel states the delimiter, on a line before the header. Saving the file again fills the line up. */
const SEPARATOR_LINE = /^"?sep=([^"\r\n])"?([ \t,;|]*)(\r\n|\n|\r)/i;

export interface CsvOptions {
  /** The most characters of one record. */
  maxLineBytes: number;
  /** `null`: detected from the file. */
  delimiter: string | null;
  /** Names that delimiter detection looks for. */
  known: FieldNames;
}

/**
 * The rows of a CSV file.
 * @throws LineLimitError; DomainError 400 `malformed_csv`, `undecodable_text` after all rows that precede the error
 */
export class CsvTable implements TableSource {
  private delimiter: string | null;
  private readonly errors: ProblemDetail[] = [];
  private errorCount = 0;
  private sample: string | null = '';
  private tokenizer: CsvTokenizer | undefined;
  /** Rows before the first one that a spreadsheet shows: 1 for a line that states the delimiter. */
  private hiddenRows = 0;
  private block: TableRow[] = [];

  constructor(
    private readonly pieces: AsyncIterable<Buffer>,
    private readonly text: DetectedText,
    private readonly options: CsvOptions,
  ) {
    this.delimiter = options.delimiter;
  }

  get facts(): TableFacts {
    const { encoding } = this.text.decoding;
    return { format: 'csv', encoding, delimiter: this.delimiter, sheet: null, sheets: null };
  }

  async *rows(): AsyncGenerator<readonly TableRow[]> {
    let skipped = this.text.skipped;
    for await (const piece of this.pieces) {
      const bytes = piece.subarray(skipped);
      skipped -= Math.min(skipped, piece.length);
      this.read(this.decoded(() => this.text.decoding.push(bytes)));
      if (this.block.length > 0) yield this.take();
    }
    this.read(this.decoded(() => this.text.decoding.end()));
    if (this.sample !== null) this.begin(true);
    this.tokenizer?.end();
    if (this.errorCount > 0) throw malformedCsv(this.errors, this.errorCount);
    if (this.block.length > 0) yield this.take();
  }

  private take(): TableRow[] {
    const { block } = this;
    this.block = [];
    return block;
  }

  private decoded(decode: () => string): string {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof UndecodableTextError)) throw error;
      this.read(error.before);
      if (this.sample !== null) this.begin(true);
      throw undecodableText(error, this.tokenizer?.position() ?? { line: 1, column: 1 });
    }
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
      const [line, delimiter = null, filling = '', lineEnd = '\n'] = stated;
      // A program with another delimiter filled the line up when it saved the file.
      this.delimiter ??= /[^ ]/.exec(filling)?.[0] ?? delimiter;
      // An empty line takes its place: it counts as a line, but is not a record.
      text = lineEnd + text.slice(line.length);
      this.hiddenRows = 1;
    }
    // Only a part of the text: the decision must not depend on the size of the pieces.
    const { known } = this.options;
    this.delimiter ??= detectDelimiter(text.slice(0, SAMPLE), whole && text.length <= SAMPLE, known);
    this.tokenizer = new CsvTokenizer(this.delimiter.charCodeAt(0), this.options.maxLineBytes, {
      record: (line, cells, row) => {
        if (this.errorCount === 0) this.block.push({ line, row: row - this.hiddenRows, cells });
      },
      fault: ({ line, column, code, message }) => this.refuse({ line, column, code, message }),
    });
    this.tokenizer.push(text);
  }

  private refuse(error: ProblemDetail): void {
    this.errorCount += 1;
    if (this.errors.length < MAX_DESCRIBED_ERRORS) this.errors.push(error);
  }
}
