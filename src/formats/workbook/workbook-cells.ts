import type { TableCell, TypedCell } from '../table.js';
import { DamagedWorkbookError, exceeds, WORKBOOK_LIMITS } from './workbook-limits.js';

/** One letter per place of a row: what the cell there is. */
export const CELL = {
  none: '-',
  text: 't',
  number: 'n',
  date: 'd',
  dateTime: 'm',
  time: 'h',
  boolean: 'b',
  /** The cell shows a spreadsheet error; its value is `#N/A` and so on. */
  error: 'e',
  /** The cell has no value that we may trust; its value says why and completes "the cell …". */
  unreadable: 'u',
} as const;

export type CellLetter = (typeof CELL)[keyof typeof CELL];

const KINDS: Readonly<Record<string, TypedCell['kind']>> = {
  n: 'number',
  d: 'date',
  m: 'dateTime',
  h: 'time',
  b: 'boolean',
  e: 'error',
  u: 'unreadable',
};

/**
 * One row of a sheet that has at least one value, in the shape in which it passes from thread to thread: strings cost
 * much less there than objects.
 */
export interface SheetRow {
  /** 1-based, as the spreadsheet shows it. */
  row: number;
  /**
   * From column A to the last value. Dates are ISO (`2025-12-31`, `2025-12-31T13:45:00`), times `13:45:00`, durations
   * `27:30:00`, numbers plain digits with a point, booleans `true` and `false`.
   */
  values: string[];
  /** As many letters as values. */
  kinds: string;
  /** What a person sees where that differs from the value, by 0-based column; `null`: nowhere. */
  shown: Record<number, string> | null;
}

/** The cells of a row as all formats yield them. */
export function tableCells({ values, kinds, shown }: SheetRow): TableCell[] {
  return values.map((value, column) => {
    const letter = kinds[column] ?? CELL.none;
    if (letter === CELL.text) return value;
    const kind = KINDS[letter];
    if (kind === undefined) return null;
    if (kind === 'error' || kind === 'unreadable') return { kind, text: value, value: '' };
    return { kind, value, text: shown?.[column] ?? value };
  });
}

export interface SheetInfo {
  name: string;
  hidden: boolean;
}

/** A workbook that is open for reading. */
export interface OpenWorkbook {
  format: 'xlsx' | 'ods';
  /** The sheets, in the order of the tabs. */
  sheets(): Promise<SheetInfo[]>;
  /** The rows of the sheet at this place, a few at a time; reads on when the next ones are asked for. */
  rows(place: number): AsyncGenerator<SheetRow[], void, undefined>;
}

/** Collects the cells of a sheet row by row and counts them against the limits. */
export class RowCollector {
  private done: SheetRow[] = [];
  private values: string[] = [];
  private kinds = '';
  private shown: Record<number, string> | null = null;
  private row = 0;
  private valueCount = 0;
  private placeCount = 0;

  /** The 1-based number of the present row; 0 before the first. */
  get number(): number {
    return this.row;
  }

  /** @throws DamagedWorkbookError if the rows are not in order or too many */
  begin(row: number): void {
    // Also refuses a reference that is not a number.
    if (!(row > this.row)) throw new DamagedWorkbookError(`is damaged: row ${row} follows row ${this.row}`);
    if (row > WORKBOOK_LIMITS.rows) throw exceeds('rows', WORKBOOK_LIMITS.rows);
    this.row = row;
    this.values = [];
    this.kinds = '';
    this.shown = null;
  }

  /**
   * Sets a cell of the present row.
   * @param column 0-based
   * @param shown what a person sees, if it is not the value
   * @param times how many cells to the right are equal
   */
  set(column: number, kind: CellLetter, value: string, shown = value, times = 1): void {
    this.count(times);
    if (column + times > WORKBOOK_LIMITS.columns) throw exceeds('columns', WORKBOOK_LIMITS.columns);
    const { length } = this.values;
    if (length > column) throw new DamagedWorkbookError(`is damaged: row ${this.row} has a cell twice`);
    for (let place = length; place < column; place += 1) this.values.push('');
    if (length < column) this.kinds += CELL.none.repeat(column - length);
    for (let index = 0; index < times; index += 1) {
      this.values.push(value);
      if (shown !== value) (this.shown ??= {})[column + index] = shown;
    }
    this.kinds += kind.repeat(times);
  }

  /** Ends the present row. @param times the number of equal rows, of which this is the first */
  end(times = 1): void {
    const { values, kinds, shown } = this;
    if (this.row + times - 1 > WORKBOOK_LIMITS.rows && values.length > 0)
      throw exceeds('rows', WORKBOOK_LIMITS.rows);
    if (values.length > 0) {
      if (times > 1) this.count(values.length * (times - 1));
      this.placeCount += values.length * times;
      if (this.placeCount > WORKBOOK_LIMITS.places) throw exceeds('cells', WORKBOOK_LIMITS.places);
      for (let index = 0; index < times; index += 1)
        this.done.push({ row: this.row + index, values, kinds, shown });
    }
    this.row += times - 1;
  }

  /** The rows that ended since the last call. */
  take(): SheetRow[] {
    const rows = this.done;
    this.done = [];
    return rows;
  }

  private count(values: number): void {
    this.valueCount += values;
    if (this.valueCount > WORKBOOK_LIMITS.cells) throw exceeds('cells with a value', WORKBOOK_LIMITS.cells);
  }
}

/** Gathers the text of one cell; refuses more than a spreadsheet can hold. */
export class CellText {
  private pieces = '';

  add(text: string): void {
    this.pieces += text;
    // An escape takes seven characters for one, so the gathered text may be longer than the value.
    if (this.pieces.length > WORKBOOK_LIMITS.textLength * 8) this.refuse();
  }

  take(): string {
    const text = this.pieces;
    this.pieces = '';
    return text;
  }

  /** @param text after the escapes of the format were decoded */
  checked(text: string): string {
    if (text.length > WORKBOOK_LIMITS.textLength) this.refuse();
    return text;
  }

  private refuse(): never {
    throw exceeds('characters in one cell', WORKBOOK_LIMITS.textLength);
  }
}

/** The 0-based column of a reference such as `AB12`; -1 if it has none. */
export function columnIn(reference: string): number {
  let column = 0;
  let index = 0;
  for (; index < reference.length; index += 1) {
    const letter = reference.charCodeAt(index) & 0xdf;
    if (letter < 0x41 || letter > 0x5a) break;
    column = column * 26 + letter - 0x40;
    if (column > WORKBOOK_LIMITS.columns) throw exceeds('columns', WORKBOOK_LIMITS.columns);
  }
  return index === 0 ? -1 : column - 1;
}

/** `A`, …, `Z`, `AA`, … */
export function columnLetters(column: number): string {
  let letters = '';
  for (let rest = column + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) {
    letters = String.fromCharCode(0x41 + ((rest - 1) % 26)) + letters;
  }
  return letters;
}
