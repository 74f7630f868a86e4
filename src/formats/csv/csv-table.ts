import type { ProblemDetail } from '../../platform/errors.js';
import { malformedCsv, undecodableText } from '../format.errors.js';
import {
  LineLimitError,
  MAX_DESCRIBED_ERRORS,
  type TableFacts,
  type TableRow,
  type TableSource,
} from '../record-reader.js';
import { type DetectedText, UndecodableTextError } from '../text-encoding.js';
import type { FieldNames } from './csv-columns.js';
import { CsvTokenizer } from './csv-tokenizer.js';

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

/** Delimiters that spreadsheets and databases write, most common first. */
const COMMON = [',', ';', '\t', '|'];
/** These also occur in times, addresses and prose, so they apply only if every record agrees and no common one fits. */
const UNCOMMON = [':', '^', '~', '\u001f'];
const EXAMINED_RECORDS = 500;

/** Titles and comments may stand before the header. */
const ROWS_BEFORE_DATA = 20;

interface DelimiterTrial {
  delimiter: string;
  /** The first record. */
  header: readonly string[];
  /** The most fields that one of the first records names. */
  fields: number;
  /** The most frequent number of cells. */
  width: number;
  /** The share of records with as many cells as the header. */
  agreement: number;
  records: number;
}

/**
 * The delimiter of a file, detected from its beginning: the one that gives a header with known columns, else the one
 * that gives the most records as many cells as the header. Without evidence it is a comma, and the file has one column.
 * @param sample the beginning of the text, which may end anywhere unless it is `whole`
 */
function detectDelimiter(sample: string, whole: boolean, known: FieldNames): string {
  const readings = [...COMMON, ...UNCOMMON].map((delimiter) => read(sample, whole, delimiter, known));
  const wide = readings.filter(({ header }) => header.length > 1);
  const best = (candidates: readonly DelimiterTrial[], measure: (reading: DelimiterTrial) => number) =>
    candidates.reduce<DelimiterTrial | undefined>(
      (found, each) => (found === undefined || measure(each) > measure(found) ? each : found),
      undefined,
    );
  const knowing = best(
    readings.filter(({ width }) => width > 1),
    ({ fields }) => fields,
  );
  if (knowing !== undefined && knowing.fields > 0) return knowing.delimiter;
  const common = wide.filter(({ delimiter }) => COMMON.includes(delimiter));
  const found =
    best(common, ({ agreement, header }) => agreement + header.length / 1e6) ??
    best(wide.filter(isCertain), ({ header }) => header.length) ??
    // A title of one cell stands first, and the records below it have several.
    best(
      readings.filter(({ delimiter, width }) => width > 1 && COMMON.includes(delimiter)),
      ({ width }) => width,
    );
  return found?.delimiter ?? ',';
}

function isCertain({ header, agreement, records }: DelimiterTrial): boolean {
  return records > 1 && agreement === 1 && header.every((name) => name.trim() !== '');
}

function read(sample: string, whole: boolean, delimiter: string, known: FieldNames): DelimiterTrial {
  let header: readonly string[] | undefined;
  let records = 0;
  let agreeing = 0;
  let fields = 0;
  const widths = new Map<number, number>();
  const note = (cells: readonly (string | null)[] | null) => {
    if (records >= EXAMINED_RECORDS) return;
    records += 1;
    const names = (cells ?? []).map((cell) => cell ?? '');
    header ??= names;
    if (cells?.length === header.length) agreeing += 1;
    widths.set(names.length, (widths.get(names.length) ?? 0) + 1);
    if (records > ROWS_BEFORE_DATA || known.areOpen) return;
    fields = Math.max(fields, names.filter((name) => known.find(name) !== null).length);
  };
  const tokenizer = new CsvTokenizer(delimiter.charCodeAt(0), sample.length + 1, {
    record: (_, cells) => note(cells),
    fault: () => note(null),
  });
  try {
    tokenizer.push(sample);
    // An incomplete sample may end in the middle of a record, which then proves nothing.
    if (whole || header === undefined) tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  const [width = 0] = [...widths].sort(([, a], [, b]) => b - a)[0] ?? [];
  return {
    delimiter,
    header: header ?? [],
    fields,
    width,
    agreement: records === 0 ? 0 : agreeing / records,
    records,
  };
}
