import { exceeds, WORKBOOK_LIMITS } from './workbook-archive.js';
import {
  CELL,
  type CellLetter,
  CellText,
  columnIn,
  type FormatKind,
  type NumberFormat,
  plainNumber,
  RowCollector,
  serialText,
  type SheetRow,
  withMinDigits,
} from './workbook-cells.js';
import { readXml, type XmlHandlers, type XmlTag } from './workbook-xml.js';

interface SheetContext {
  strings: SharedStrings;
  /** By the index of the cell style. */
  formats: readonly NumberFormat[];
  /** Whether day 0 is 1904-01-01. */
  is1904: boolean;
  isMain(uri: string): boolean;
}

/** A cell as its element states it. */
export interface ScannedCell {
  /** 0-based; -1: the one after the cell before. */
  column: number;
  type: string;
  style: number;
  hasFormula: boolean;
  /** `null`: no value. */
  text: string | null;
}

export interface ScannedRow {
  /** `null`: the one after the row before. */
  number: number | null;
  /** The number of its cells. The list may be longer. */
  width: number;
  cells: ScannedCell[];
}

const ISO_DAY = /^\d{4}-\d\d-\d\d$/;
const ISO_TIME = /^\d\d:\d\d(:\d\d(\.\d+)?)?$/;
const ISO_MOMENT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?Z?$/;
const DATE_LETTERS: Readonly<Record<Exclude<FormatKind, 'number'>, CellLetter>> = {
  date: CELL.date,
  datetime: CELL.dateTime,
  time: CELL.time,
  duration: CELL.time,
};
const NO_FORMAT: NumberFormat = { kind: 'number', minDigits: 0 };

/** Reads the cells of one XLSX sheet. The declared dimension is ignored; rows and cells may lack their references. */
export class XlsxSheet implements XmlHandlers {
  private readonly rows = new RowCollector();
  private readonly value = new CellText();
  private column = -1;
  private type = 'n';
  private format = NO_FORMAT;
  private hasFormula = false;
  /** Whether a formula before this cell has a result. */
  private isCalculated = false;
  private hasValue = false;
  /** Whether text belongs to the value of the cell: inside `v`, or `t` of an inline string. */
  private isValue = false;
  private isInCell = false;
  private phonetic = 0;

  constructor(private readonly context: SheetContext) {}

  take(): SheetRow[] {
    return this.rows.take();
  }

  open(tag: XmlTag): void {
    if (!this.context.isMain(tag.uri)) return;
    switch (tag.local) {
      case 'c':
        return this.openCell(tag);
      case 'v':
        this.hasValue = this.isValue = this.isInCell;
        return;
      case 'f':
        this.hasFormula = true;
        return;
      case 't':
        if (this.isInCell && this.phonetic === 0) this.hasValue = this.isValue = true;
        return;
      case 'rPh':
        this.phonetic += 1;
        return;
      case 'row':
        this.openRow(tag);
    }
  }

  close({ local, uri }: XmlTag): void {
    if (!this.context.isMain(uri)) return;
    switch (local) {
      case 'v':
      case 't':
        this.isValue = false;
        return;
      case 'c':
        this.closeCell();
        return;
      case 'rPh':
        this.phonetic -= 1;
        return;
      case 'row':
        this.rows.end();
    }
  }

  text(text: string): void {
    if (this.isValue) this.value.add(text);
  }

  /** Adds a row as if its elements had been opened and closed. */
  addRow({ number, width, cells }: ScannedRow): void {
    this.beginRow(number);
    for (let index = 0; index < width; index += 1) {
      const cell = cells[index];
      if (cell === undefined) break;
      this.beginCell(cell.column, cell.type, cell.style);
      this.hasFormula = cell.hasFormula;
      this.hasValue = cell.text !== null;
      if (cell.text !== null) this.value.add(cell.text);
      this.closeCell();
    }
    this.rows.end();
  }

  private openRow({ attributes }: XmlTag): void {
    const stated = attributes.r?.value;
    this.beginRow(stated === undefined ? null : Number(stated));
  }

  private beginRow(number: number | null): void {
    this.rows.begin(number ?? this.rows.number + 1);
    this.column = -1;
  }

  private openCell({ attributes }: XmlTag): void {
    const reference = attributes.r === undefined ? -1 : columnIn(attributes.r.value);
    this.beginCell(reference, attributes.t?.value ?? 'n', Number(attributes.s?.value ?? 0));
    this.isInCell = true;
  }

  private beginCell(reference: number, type: string, style: number): void {
    this.column = reference === -1 ? this.column + 1 : reference;
    this.type = type;
    this.format = this.context.formats[style] ?? NO_FORMAT;
    this.hasFormula = this.hasValue = false;
  }

  private closeCell(): void {
    this.isInCell = false;
    const text = this.value.take();
    if (!this.hasValue || (text === '' && this.type === 'n')) return this.closeEmpty();
    if (this.hasFormula) this.isCalculated = true;
    switch (this.type) {
      case 's':
        return this.shared(text);
      case 'str':
      case 'inlineStr':
        return this.set(CELL.text, this.value.checked(withoutEscapes(text)));
      case 'b':
        return this.boolean(text.trim());
      case 'e':
        return this.set(CELL.error, text);
      case 'd':
        return this.isoDate(text.trim());
      default:
        return this.number(text);
    }
  }

  /**
   * A formula that was never calculated has no result, or, from openpyxl, an empty one. XlsxWriter writes the empty text
   * in the same way, but then other formulas have results.
   */
  private closeEmpty(): void {
    if (!this.hasFormula) return;
    if (this.hasValue && this.isCalculated) this.set(CELL.text, '');
    else this.unreadable('holds a formula without a stored result; open and save the workbook once');
  }

  private set(kind: CellLetter, value: string, shown = value): void {
    this.rows.set(this.column, kind, value, shown);
  }

  private unreadable(message: string): void {
    this.set(CELL.unreadable, message);
  }

  private shared(text: string): void {
    const found = /^\s*\d+\s*$/.test(text) ? this.context.strings.get(Number(text)) : undefined;
    if (found === undefined) this.unreadable('refers to a text that the workbook does not contain');
    else this.set(CELL.text, found);
  }

  private boolean(text: string): void {
    if (text === '1' || text === 'true') this.set(CELL.boolean, 'true', 'TRUE');
    else if (text === '0' || text === 'false') this.set(CELL.boolean, 'false', 'FALSE');
    else this.unreadable('is damaged: its value is neither true nor false');
  }

  private isoDate(text: string): void {
    const [, day = '', minutes = '', seconds = ':00'] = ISO_MOMENT.exec(text) ?? [];
    if (day !== '') {
      if (this.format.kind === 'date') return this.set(CELL.date, day);
      if (this.format.kind === 'time') return this.set(CELL.time, minutes + seconds);
      return this.set(CELL.dateTime, `${day}T${minutes}${seconds}`);
    }
    if (ISO_DAY.test(text)) this.set(CELL.date, text);
    else if (ISO_TIME.test(text)) this.set(CELL.time, text.length === 5 ? `${text}:00` : text);
    else this.unreadable('is damaged: its value is not a date');
  }

  private number(text: string): void {
    const { kind, minDigits } = this.format;
    const digits = plainNumber(text);
    if (digits === null) return this.unreadable('is damaged: its value is not a number');
    if (kind === 'number') return this.set(CELL.number, digits, withMinDigits(digits, minDigits));
    const date = serialText(Number(text), kind, this.context.is1904);
    if (date === null)
      this.unreadable(`shows the number ${digits} as a date, which is no day of the calendar`);
    else this.set(DATE_LETTERS[kind], date);
  }
}

const ESCAPED = /_x([0-9a-fA-F]{4})_/g;

/** Decodes `_xHHHH_`, with which Office writes characters that XML cannot hold; once, so `_x005F_x000D_` is literal. */
function withoutEscapes(text: string): string {
  if (!text.includes('_x')) return text;
  return text.replace(ESCAPED, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

const FIRST_BYTES = 1024 ** 2;

/**
 * The texts that cells refer to by number. A million of them as JavaScript strings would take several hundred megabytes,
 * so they are kept as UTF-8 in one buffer, outside the heap, with the end of each.
 */
export class SharedStrings {
  private bytes = Buffer.allocUnsafe(FIRST_BYTES);
  private ends = new Uint32Array(1024);
  private used = 0;
  private count = 0;

  /** @returns `undefined` past the end */
  get(index: number): string | undefined {
    if (index < 0 || index >= this.count) return undefined;
    const start = index === 0 ? 0 : (this.ends[index - 1] ?? 0);
    return withoutEscapes(this.bytes.toString('utf8', start, this.ends[index]));
  }

  add(text: string): void {
    if (this.count === WORKBOOK_LIMITS.sharedStrings)
      throw exceeds('shared strings', WORKBOOK_LIMITS.sharedStrings);
    this.reserve(text.length * 3);
    this.used += this.bytes.write(text, this.used);
    if (this.used > WORKBOOK_LIMITS.sharedStringBytes) {
      throw exceeds('bytes of shared strings', WORKBOOK_LIMITS.sharedStringBytes);
    }
    if (this.count === this.ends.length) {
      const larger = new Uint32Array(this.ends.length * 2);
      larger.set(this.ends);
      this.ends = larger;
    }
    this.ends[this.count] = this.used;
    this.count += 1;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(Math.ceil(this.bytes.length * 1.5), this.used + bytes));
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
  }
}

/** Reads the part that holds the shared strings. @param isMain whether a namespace is the one of spreadsheets */
export async function readSharedStrings(
  pieces: AsyncIterable<Buffer>,
  isMain: (uri: string) => boolean,
): Promise<SharedStrings> {
  const strings = new SharedStrings();
  const text = new CellText();
  let isText = false;
  let phonetic = 0;
  await readXml(pieces, {
    open({ local, uri }) {
      if (!isMain(uri)) return;
      if (local === 't') isText = phonetic === 0;
      else if (local === 'rPh') phonetic += 1;
    },
    close({ local, uri }) {
      if (!isMain(uri)) return;
      if (local === 't') isText = false;
      else if (local === 'rPh') phonetic -= 1;
      else if (local === 'si') {
        const found = text.take();
        text.checked(withoutEscapes(found));
        strings.add(found);
      }
    },
    text(found) {
      if (isText) text.add(found);
    },
  });
  return strings;
}
