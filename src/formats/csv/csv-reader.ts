import type { DomainError, ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { unnamedColumn } from '../../records/rows.js';
import type { RecordError } from '../../records/target.js';
import { emptyFile, malformedCsv, undecodableText } from '../format.errors.js';
import {
  LineLimitError,
  MAX_DESCRIBED_ERRORS,
  NO_SINK,
  type RecordReader,
  type RecordSink,
} from '../record-reader.js';
import { type TextDecoding, UndecodableTextError } from '../text/text-decoding.js';
import { readDownloadedCell, restoreFormula } from './csv-cells.js';
import { type ColumnMapping, type CsvColumn, type CsvHeader, readHeader } from './csv-columns.js';
import { type CsvCells, CsvTokenizer } from './csv-tokenizer.js';
import { detectDelimiter } from './delimiter-detection.js';

/** One record of a file. */
interface CsvRow {
  /** A JSON object of strings, with the columns in file order. */
  payload: string;
  error: RecordError | undefined;
  originLine: number | null | undefined;
}

/**
 * Turns cells into rows. Our own downloads are read the way they were written: neutralized formulas are restored, and a
 * completely empty cell, without quotes, is a column that the record lacked. In all other files, an empty cell is an
 * empty text. Formulas are restored there, too, because a user may have deleted our columns from one of our downloads.
 */
class CsvRows {
  private readonly columns: readonly CsvColumn[];
  private readonly isOurs: boolean;
  private readonly names: readonly (string | null)[];
  private readonly lineColumn: number;

  constructor(
    { columns, isOurs }: CsvHeader,
    private readonly options: Pick<CsvOptions, 'apostrophes' | 'emptyCells'>,
  ) {
    this.columns = columns;
    this.isOurs = isOurs;
    this.names = columns.map(({ target }) => (target === null ? null : JSON.stringify(target)));
    this.lineColumn = columns.findIndex(({ header }) => header === '_line');
  }

  /** Empty cells that leave a value unchanged. */
  emptyCells = 0;

  /**
   * A value that was never sent must not be cleared: an empty cell is a column that the row lacks, unless the options
   * make empty cells clear values. In our downloads, `""` is a value that was sent empty. Identifiers are checked
   * unchanged.
   */
  private isLeftAsItIs(cell: string | null, index: number): boolean {
    if (this.options.emptyCells === 'clear' || (cell !== null && cell !== '')) return false;
    if (this.isOurs) return cell === null;
    return this.columns[index]?.target?.startsWith(':') === false;
  }

  row(cells: CsvCells): CsvRow {
    const { columns, names, isOurs, lineColumn } = this;
    const textOf = isOurs
      ? readDownloadedCell
      : this.options.apostrophes === 'keep'
        ? asItIs
        : restoreFormula;
    let payload = '';
    const width = Math.min(cells.length, columns.length);
    for (let index = 0; index < width; index += 1) {
      const name = names[index];
      const cell = cells[index] ?? null;
      if (name === null || name === undefined) continue;
      if (this.isLeftAsItIs(cell, index)) {
        this.emptyCells += 1;
        continue;
      }
      payload += `${payload === '' ? '{' : ','}${name}:${cellJson(cell, textOf)}`;
    }
    for (let index = width; index < cells.length; index += 1) {
      payload += `${payload === '' ? '{' : ','}"${unnamedColumn(index + 1)}":${cellJson(cells[index] ?? null, textOf)}`;
    }
    return {
      payload: payload === '' ? '{}' : `${payload}}`,
      error: cells.length === columns.length ? undefined : widthError(cells.length, columns),
      originLine: lineColumn === -1 ? undefined : originLineIn(cells[lineColumn] ?? null),
    };
  }
}

function cellJson(cell: string | null, textOf: (cell: string) => string): string {
  return cell === null ? '""' : JSON.stringify(textOf(cell));
}

const asItIs = (cell: string) => cell;

function originLineIn(cell: string | null): number | null {
  return cell !== null && /^[1-9]\d{0,8}$/.test(cell) ? Number(cell) : null;
}

/** The error code of a row with more or fewer cells than the header. Sending it again does not help. */
export const WRONG_CELL_COUNT = 'wrong_cell_count';

function widthError(found: number, columns: readonly CsvColumn[]): RecordError {
  const expected = `${columns.length} ${columns.length === 1 ? 'column' : 'columns'}`;
  const missing = columns.slice(found).map(({ header }) => JSON.stringify(header.slice(0, 60)));
  const hint =
    found > columns.length
      ? `the extra cells are kept as ${unnamedColumn(columns.length + 1)} and so on; perhaps a cell that contains the delimiter is not quoted`
      : `no cell for ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
  return {
    code: WRONG_CELL_COUNT,
    message: `the row has ${found} ${found === 1 ? 'cell' : 'cells'}, the header ${expected}: ${hint}`,
  };
}

/** The number of characters that delimiter detection examines. */
const SAMPLE = 256 * 1024;
/** How Excel states the delimiter, on a line before the header. */
const SEPARATOR_LINE = /^"?sep=(.)"?(\r\n|\n|\r)/;

export interface CsvOptions {
  maxLineBytes: number;
  /** `null`: detected from the file. */
  delimiter: string | null;
  /** The columns that rows of the import process may have. */
  knownColumns: ReadonlySet<string>;
  mapping: ColumnMapping;
  /**
   * Handling of the apostrophe before text that looks like a formula, in a file without the columns that identify our
   * downloads. A user may have deleted those columns, so the apostrophe is removed by default.
   */
  apostrophes?: 'remove' | 'keep';
  /** Whether an empty cell leaves the stored value unchanged (the default) or clears it. */
  emptyCells?: 'keep' | 'clear';
}

/** Reads a CSV file. The first record that is not blank is the header. */
export class CsvReader implements RecordReader {
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

  /** Empty cells that left a value unchanged. */
  get emptyCells(): number {
    return this.rows?.emptyCells ?? 0;
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
      // An empty line takes its place: it counts as a line, but is not a record.
      text = (stated[2] ?? '\n') + text.slice(stated[0].length);
    }
    // Only a part of the text: the decision must not depend on the size of the pieces.
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

  private record(line: number, cells: CsvCells): void {
    if (this.rows === undefined) {
      const header = readHeader(cells, this.options.mapping);
      this.columns = header.columns;
      this.rows = new CsvRows(header, this.options);
      return;
    }
    if (this.errorCount > 0) return;
    const { payload, error, originLine } = this.rows.row(cells);
    if (payload.length > this.options.maxLineBytes) throw new LineLimitError(line);
    // Parsed, not assembled, so that a column may have any name, even `__proto__`, and later passes see the same row.
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
