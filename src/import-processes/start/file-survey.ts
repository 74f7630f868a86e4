import { restoreFormula } from '../../formats/csv/csv-cells.js';
import { FieldNames } from '../../formats/csv/csv-columns.js';
import { duplicateColumns, emptyFile, headerRowMissing } from '../../formats/format.errors.js';
import { JsonLinesReader } from '../../formats/json/json-lines-reader.js';
import type { FileBytes, TableFacts, TableRow, TableSource } from '../../formats/record-reader.js';
import { detectText } from '../../formats/text-encoding.js';
import { openUpload } from '../../formats/upload-reader.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { trimEnds, unnamedColumn } from '../../records/rows.js';
import {
  ColumnSurvey,
  type ColumnTraits,
  detectTableDelimiter,
  filledCells,
  findHeader,
  SeenValues,
  shownCell,
  type ValueParts,
} from './column-traits.js';

/** One column of a surveyed file. */
export interface StartColumn extends ColumnTraits {
  /** Its name in the file; for a column without a name, for example `(column 3)`. */
  header: string;
}

/** How a file was read to find out what its columns hold. `null`: the format has no such thing. */
export interface SurveyedFile {
  format: TableFacts['format'] | 'jsonl';
  encoding: string | null;
  delimiter: string | null;
  sheet: string | null;
  sheets: readonly string[] | null;
  /** The row of the header, counted as a spreadsheet does, and whether it may be a record. */
  headerRow: number | null;
  isHeaderDoubtful: boolean;
  rows: number;
  columns: StartColumn[];
}

export interface SurveyOptions {
  /** The longest line of JSON, and the most characters of a row. */
  maxLineBytes: number;
  /** `null`: found in the file. */
  headerRow: number | null;
  /** `null`: the first sheet. */
  sheet: string | null;
}

/** The beginning of a text that delimiter detection examines. */
const SAMPLE = 256 * 1024;
const EXAMINED_BYTES = 64 * 1024;

/**
 * Reads a whole file once to learn what its columns hold. Nothing about its columns is known before, unlike with an
 * upload, whose file type names them.
 * @throws DomainError if the file cannot be read, has no rows, or names a column twice; LineLimitError
 */
export async function surveyFile(file: FileBytes, options: SurveyOptions): Promise<SurveyedFile> {
  const { maxLineBytes, sheet } = options;
  const fields = new FieldNames([]);
  const reading = { encoding: null, delimiter: null, sheet };
  let opened = await openUpload(file, { reading, fields, maxLineBytes });
  if (opened.format === 'jsonl') return surveyJsonLines(file, maxLineBytes);
  let source = opened.open();
  if (source.facts.format === 'csv') {
    const delimiter = await delimiterOf(file);
    opened = await openUpload(file, { reading: { ...reading, delimiter }, fields, maxLineBytes });
    if (opened.format === 'table') source = opened.open();
  }
  return surveyTable(source, options);
}

/** `null` if the file states it. */
async function delimiterOf(file: FileBytes): Promise<string | null> {
  const bytes = await file.range(0, Math.min(file.size, SAMPLE));
  const { decoding, skipped } = detectText(bytes.subarray(0, EXAMINED_BYTES));
  const text = decoding.push(bytes.subarray(skipped));
  return /^"?sep=/i.test(text) ? null : detectTableDelimiter(text);
}

/** The rows in which the header is looked for. */
const FIRST_ROWS = 200;

async function surveyTable(source: TableSource, { headerRow }: SurveyOptions): Promise<SurveyedFile> {
  const survey = new RowsSurvey(headerRow);
  const turn = new EventLoopTurn();
  for await (const block of source.rows()) {
    for (const row of block) survey.add(row);
    if (turn.isOver) await turn.next();
  }
  const found = survey.end();
  if (found.rows === 0) throw emptyFile();
  return { ...source.facts, ...found };
}

class RowsSurvey {
  private first: TableRow[] | null = [];
  private header = { row: 0, isDoubtful: false };
  private columns: { header: string; survey: ColumnSurvey }[] = [];
  private rows = 0;

  constructor(private readonly chosenHeader: number | null) {}

  add(row: TableRow): void {
    if (filledCells(row.cells).length === 0) return;
    if (this.first === null) return this.survey(row);
    this.first.push(row);
    if (this.first.length >= FIRST_ROWS) this.placeHeader();
  }

  end() {
    this.placeHeader();
    return {
      headerRow: this.header.row,
      isHeaderDoubtful: this.header.isDoubtful,
      rows: this.rows,
      columns: this.columns.map(({ header, survey }) => ({ header, ...survey.traits() })),
    };
  }

  private placeHeader(): void {
    const rows = this.first;
    this.first = null;
    if (rows === null || rows.length === 0) return;
    const { index, isDoubtful } = this.headerAmong(rows);
    const cells = rows[index]?.cells ?? [];
    this.header = { row: rows[index]?.row ?? 1, isDoubtful };
    const names = cells.map((cell, place) => {
      const name = shownCell(cell);
      return trimEnds(name) === '' ? unnamedColumn(place + 1) : name;
    });
    refuseRepeatedNames(names);
    const budget = new SeenValues();
    this.columns = names.map((header) => ({ header, survey: new ColumnSurvey(header, budget) }));
    for (const row of rows.slice(index + 1)) this.survey(row);
  }

  private headerAmong(rows: readonly TableRow[]) {
    if (this.chosenHeader === null) return findHeader(rows.map(({ cells }) => cells));
    const index = rows.findIndex(({ row }) => row === this.chosenHeader);
    if (index === -1) throw headerRowMissing(this.chosenHeader);
    return { index, isDoubtful: false };
  }

  private survey({ cells }: TableRow): void {
    this.rows += 1;
    for (const [index, { survey }] of this.columns.entries()) {
      const cell = cells[index] ?? null;
      survey.add(typeof cell === 'string' ? restoreFormula(cell) : cell);
    }
  }
}

function refuseRepeatedNames(names: readonly string[]): void {
  const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  if (repeated.length === 0) return;
  const errors = repeated.map((name) => ({
    code: 'duplicate_column',
    message: `the column ${JSON.stringify(name)} occurs more than once`,
  }));
  throw duplicateColumns(
    repeated.slice(0, 5).map((name) => JSON.stringify(name)),
    errors,
    repeated.length,
  );
}

/** The most keys that are surveyed: rows with ever new keys are not a table. */
const MOST_KEYS = 2000;

async function surveyJsonLines(file: FileBytes, maxLineBytes: number): Promise<SurveyedFile> {
  const survey = new KeysSurvey();
  const reader = new JsonLinesReader(maxLineBytes, (_line, row) => survey.add(row));
  for await (const piece of file.pieces()) reader.push(piece);
  reader.end();
  if (reader.errorCount > 0) throw reader.malformed();
  const { rows, columns } = survey.end();
  if (rows === 0) throw emptyFile();
  return {
    ...{ format: 'jsonl', encoding: 'utf-8', delimiter: null, sheet: null, sheets: null },
    ...{ headerRow: null, isHeaderDoubtful: false, rows, columns },
  };
}

class KeysSurvey {
  private readonly budget = new SeenValues();
  private readonly columns = new Map<string, { survey: ColumnSurvey; rows: number }>();
  private rows = 0;

  add(row: JsonObject): void {
    this.rows += 1;
    for (const [key, value] of Object.entries(row)) {
      let column = this.columns.get(key);
      if (column === undefined) {
        if (this.columns.size >= MOST_KEYS) continue;
        column = { survey: new ColumnSurvey(key, this.budget), rows: 0 };
        this.columns.set(key, column);
      }
      column.rows += 1;
      const parts = partsOf(value);
      column.survey.add(Array.isArray(parts) ? parts.join('; ') : cellOf(value), parts);
    }
  }

  end(): { rows: number; columns: StartColumn[] } {
    const columns = [...this.columns].map(([header, { survey, rows }]) => {
      for (let missing = this.rows - rows; missing > 0; missing -= 1) survey.add(null);
      return { header, ...survey.traits() };
    });
    return { rows: this.rows, columns };
  }
}

function partsOf(value: JsonValue | undefined): ValueParts | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : 'nested';
}

function cellOf(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
