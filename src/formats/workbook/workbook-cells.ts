import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { TableCell, TypedCell } from '../record-reader.js';
import { DamagedWorkbookError, exceeds, WORKBOOK_LIMITS } from './workbook-archive.js';

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

/** Rows in a form that takes little memory: deflated JSON in a buffer of its own. */
export function packedRows(rows: readonly SheetRow[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(deflateRawSync(JSON.stringify(rows), { level: 1 }));
}

export function unpackedRows(packed: Uint8Array): SheetRow[] {
  return JSON.parse(inflateRawSync(packed).toString()) as SheetRow[];
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

/** What a number format makes of a number. */
export type FormatKind = 'number' | 'date' | 'datetime' | 'time' | 'duration';

/** What a style shows: the kind, and for numbers like postal codes (`00000`) the digits to fill up to. */
export interface NumberFormat {
  kind: FormatKind;
  minDigits: number;
}

const GENERAL: NumberFormat = { kind: 'number', minDigits: 0 };

/** The built-in formats that mean dates and times; their codes are not in the file (ECMA-376, 18.8.30). */
const BUILT_IN: readonly (readonly [first: number, last: number, kind: FormatKind])[] = [
  [14, 17, 'date'],
  [18, 21, 'time'],
  [22, 22, 'datetime'],
  [27, 31, 'date'],
  [32, 35, 'time'],
  [36, 36, 'date'],
  [45, 45, 'time'],
  [46, 46, 'duration'],
  [47, 47, 'time'],
  [50, 54, 'date'],
  [55, 56, 'time'],
  [57, 58, 'date'],
];

export function builtInFormat(id: number): NumberFormat {
  const kind = BUILT_IN.find(([first, last]) => id >= first && id <= last)?.[2];
  return kind === undefined ? GENERAL : { kind, minDigits: 0 };
}

/** Text in quotes, escaped and filling characters, and brackets (colors, currencies, conditions) except `[h]`. */
const LITERALS = /"[^"]*"?|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]/gi;
const MIN_DIGITS = /^0{2,30}$/;

/** Reads a number format as Excel writes it. The first section that looks like a date or time decides. */
export function numberFormat(code: string): NumberFormat {
  for (const section of code.replace(LITERALS, '').split(';')) {
    const kind = kindOfSection(section);
    if (kind !== 'number') return { kind, minDigits: 0 };
  }
  const minDigits = MIN_DIGITS.test(code) ? code.length : 0;
  return { kind: 'number', minDigits };
}

function kindOfSection(section: string): FormatKind {
  const text = section.toLowerCase();
  if (/^\s*general/.test(text)) return 'number';
  if (/\[(h+|m+|s+)\]/.test(text)) return 'duration';
  const isClock = /[hs]|am\/pm|a\/p/.test(text);
  // "E+00" is an exponent, while a lone "e" is the year of an era.
  const hasDay = /[yd]|(?<![0#?.])e(?![+-])|g{1,3}|b{2,4}/.test(text.replace(/am\/pm|a\/p/g, ''));
  // "m" is a month, or minutes beside hours or seconds.
  const hasMonth = /m/.test(text.replace(/am\/pm|h+\W*m+|m+\W*s+/g, ''));
  if (hasDay || hasMonth) return isClock ? 'datetime' : 'date';
  return isClock ? 'time' : 'number';
}

const DAY_MS = 86_400_000;
/** 1899-12-31, from which Excel counts days until its 29 February 1900, which never was. */
const EPOCH_MS = Date.UTC(1899, 11, 31);
const LEAP_BUG = 60;
/** Days between the epochs 1900 and 1904. */
const EPOCH_1904_DAYS = 1462;
const LAST_DAY = 2_958_466;

/**
 * A date, time or duration cell as ISO text: `2025-12-31`, `2025-12-31T13:45:00`, `13:45:00`, `27:30:00`. No time zone
 * is involved. Milliseconds are written if there are any; the noise of binary fractions is rounded away.
 * @returns `null` for a number that is no day of the calendar, such as 60 or -1
 */
export function serialText(serial: number, kind: FormatKind, is1904: boolean): string | null {
  if (kind === 'duration') return durationText(Math.round(serial * DAY_MS));
  if (kind === 'time') {
    const ms = Math.round(serial * DAY_MS);
    return ms < 0 ? null : clockText(ms % DAY_MS);
  }
  const ms = Math.round((is1904 ? serial + EPOCH_1904_DAYS : serial) * DAY_MS);
  const days = Math.floor(ms / DAY_MS);
  if (days < 1 || days === LEAP_BUG || days >= LAST_DAY || (is1904 && serial < 0)) return null;
  const iso = new Date(EPOCH_MS + ms - (days > LEAP_BUG ? DAY_MS : 0)).toISOString();
  return kind === 'date' ? iso.slice(0, 10) : iso.slice(0, iso.endsWith('.000Z') ? 19 : 23);
}

function clockText(ms: number): string {
  const iso = new Date(ms).toISOString();
  return iso.slice(11, iso.endsWith('.000Z') ? 19 : 23);
}

/** `H:MM:SS[.mmm]`, with as many hours as there are. */
export function durationText(ms: number): string {
  const size = Math.abs(ms);
  const hours = String(Math.floor(size / 3_600_000)).padStart(2, '0');
  return `${ms < 0 ? '-' : ''}${hours}${clockText(size % 3_600_000).slice(2)}`;
}

const EXACT_INTEGER = /^-?\d{1,17}$/;
/** The digits that Excel calculates with. Beyond them a fraction is the noise of binary numbers. */
const SIGNIFICANT_DIGITS = 15;

/**
 * A number as plain digits with a point, without exponent: `0.1 + 0.2` is `0.3`. Whole numbers keep every digit.
 * @returns `null` if the text is not a number
 */
export function plainNumber(text: string): string | null {
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (trimmed === '' || !Number.isFinite(value) || !/^[-+.\deE]+$/.test(trimmed)) return null;
  if (EXACT_INTEGER.test(trimmed)) return BigInt(trimmed).toString();
  if (Number.isInteger(value)) return withoutExponent(String(value));
  return withoutExponent(String(Number(value.toPrecision(SIGNIFICANT_DIGITS))));
}

/** A whole number with leading zeros, as a format such as `00000` shows it. */
export function withMinDigits(digits: string, minDigits: number): string {
  return minDigits === 0 || !/^\d+$/.test(digits) ? digits : digits.padStart(minDigits, '0');
}

/** Writes `1.5e-7` as `0.00000015`. */
function withoutExponent(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text === '-0' ? '0' : text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const point = whole.length + Number(exponent);
  const digits = whole + fraction;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Characters that XML 1.0 cannot hold, halves of surrogate pairs, and text that looks like an escape of Office. */
const TO_ESCAPE =
  /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]|_(?=x[0-9a-fA-F]{4}_)|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const MARKUP: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A text for XML; what XML cannot hold becomes `_xHHHH_`, as Office writes it, so no character is lost. */
export function xmlText(text: string): string {
  return text
    .replace(
      TO_ESCAPE,
      (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`,
    )
    .replace(/[&<>"]/g, (character) => MARKUP[character] ?? character);
}

/** Whether a spreadsheet shows and gives back exactly this text when it is stored as a number. */
export function isExactNumber(text: string): boolean {
  if (text.length > 17 || plainNumber(text) !== text) return false;
  return text.replace(/^-?0?\.?0*|\./g, '').length <= 15;
}

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
/** The serial number of 1 March 1900; Excel shows earlier days differently from other programs. */
const FIRST_SAFE_DAY = 61;

/** The number by which a workbook stores a day written `YYYY-MM-DD`; `null` if it cannot be stored exactly. */
export function serialOfDay(text: string): number | null {
  const [, year, month, day] = DAY.exec(text) ?? [];
  if (year === undefined) return null;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day));
  if (Number(year) < 1900 || new Date(ms).toISOString().slice(0, 10) !== text) return null;
  const serial = (ms - Date.UTC(1899, 11, 30)) / DAY_MS;
  return serial < FIRST_SAFE_DAY ? null : serial;
}
