import { WORKBOOK_LIMITS } from './workbook-archive.js';
import type { ScannedCell, ScannedRow } from './xlsx-sheet.js';

/*
 * Nearly all of a sheet is rows in the few forms that programs write. They are read here, byte by byte, in a fraction of
 * the time that the XML parser takes. The parser reads everything else: what surrounds the rows, and each row that has
 * another element or attribute, an entity, a comment, a character that XML refuses, or a mistake. It does not see the
 * rows that are read here, and stands between two rows before and after them, so it accepts and refuses the same sheets
 * as if it had (ADR 27).
 */

const LESS = 0x3c;
export const GREATER = 0x3e;
const SLASH = 0x2f;
const QUOTE = 0x22;
const AMPERSAND = 0x26;
const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const ZERO = 0x30;
const LAST_ASCII = 0x7f;
const EMPTY: Buffer = Buffer.alloc(0);
const MOST_DIGITS = 7;
const MOST_LETTERS = 3;

function follows(block: Buffer, at: number, bytes: Buffer): boolean {
  for (let offset = 0; offset < bytes.length; offset += 1) {
    if (block[at + offset] !== bytes[offset]) return false;
  }
  return true;
}

export function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === TAB || byte === CARRIAGE_RETURN;
}

export function afterSpace(block: Buffer, start: number): number {
  let at = start;
  while (isSpace(block[at])) at += 1;
  return at;
}

/** A whole number of a few digits; -1 for anything else. */
function wholeNumber(block: Buffer, start: number, end: number): number {
  if (start === end || end - start > MOST_DIGITS) return -1;
  let number = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (block[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** The 0-based column of a reference such as `AB12`; -1 for anything else. */
function columnOf(block: Buffer, start: number, end: number): number {
  let column = 0;
  let at = start;
  for (; at - start < MOST_LETTERS; at += 1) {
    const letter = (block[at] ?? 0) - 0x40;
    if (letter < 1 || letter > 26) break;
    column = column * 26 + letter;
  }
  const isColumn = column > 0 && column <= WORKBOOK_LIMITS.columns && wholeNumber(block, at, end) !== -1;
  return isColumn ? column - 1 : -1;
}

/** How one element begins and ends, and the attributes that it may have. */
class PlainElement {
  /** Where the values of the attributes are that the last one has. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly opening: Buffer;
  readonly closing: Buffer;
  private readonly leads: readonly Buffer[];
  private found = 0;

  constructor(name: string, attributes: readonly string[] = []) {
    this.opening = Buffer.from(`<${name}`);
    this.closing = Buffer.from(`</${name}>`);
    this.leads = attributes.map((attribute) => Buffer.from(`${attribute}="`));
    this.starts = new Int32Array(attributes.length);
    this.ends = new Int32Array(attributes.length);
  }

  has(attribute: number): boolean {
    return (this.found & (1 << attribute)) !== 0;
  }

  /** @returns the place of its `>` or `/`; -1 if it is another element, or has another attribute, or one twice */
  read(block: Buffer, start: number): number {
    if (!follows(block, start, this.opening)) return -1;
    this.found = 0;
    for (let at = start + this.opening.length; ; at += 1) {
      const next = afterSpace(block, at);
      if (block[next] === GREATER || block[next] === SLASH) return next;
      const index = next === at ? -1 : this.attributeAt(block, next);
      if (index === -1 || this.has(index)) return -1;
      this.found |= 1 << index;
      at = next + (this.leads[index]?.length ?? 0);
      this.starts[index] = at;
      at = endOfValue(block, at);
      if (at === -1) return -1;
      this.ends[index] = at;
    }
  }

  private attributeAt(block: Buffer, at: number): number {
    for (let index = 0; index < this.leads.length; index += 1) {
      if (follows(block, at, this.leads[index] ?? EMPTY)) return index;
    }
    return -1;
  }
}

function endOfValue(block: Buffer, start: number): number {
  for (let at = start; ; at += 1) {
    const byte = block[at];
    if (byte === QUOTE) return at;
    if (byte === undefined || byte < SPACE || byte > LAST_ASCII || byte === LESS || byte === AMPERSAND)
      return -1;
  }
}

const ROW_ATTRIBUTES = [
  ...['r', 'spans', 's', 'customFormat', 'ht', 'hidden', 'customHeight', 'outlineLevel', 'collapsed'],
  ...['thickTop', 'thickBot', 'ph'],
];
/** Excel adds it to each row. */
const DESCENT = { prefix: 'x14ac', attribute: 'x14ac:dyDescent' };
/** Those that are read come first. */
const CELL_ATTRIBUTES = ['r', 's', 't', 'cm', 'vm', 'ph'];
const [REFERENCE, STYLE, TYPE] = [0, 1, 2] as const;
const TYPES = ['n', 's', 'str', 'inlineStr', 'b', 'e', 'd'].map((type) => ({
  type,
  bytes: Buffer.from(`${type}"`),
}));

/** Reads rows of one sheet. */
export class RowScanner {
  readonly row: ScannedRow = { number: null, width: 0, cells: [] };
  readonly rowElement: PlainElement;
  private readonly cell: PlainElement;
  private readonly formula: PlainElement;
  private readonly value: PlainElement;
  private readonly inline: PlainElement;
  private readonly text: PlainElement;
  private block = EMPTY;
  /** The block as Latin-1, so that a character is a byte. */
  private characters = '';

  /** @param prefix of the elements, with its colon; mostly none */
  constructor(prefix: string, isDeclared: (prefix: string) => boolean) {
    this.rowElement = new PlainElement(`${prefix}row`, [
      ...ROW_ATTRIBUTES,
      ...(isDeclared(DESCENT.prefix) ? [DESCENT.attribute] : []),
    ]);
    this.cell = new PlainElement(`${prefix}c`, CELL_ATTRIBUTES);
    this.formula = new PlainElement(`${prefix}f`, ['t', 'ref', 'si', 'ca']);
    this.value = new PlainElement(`${prefix}v`);
    this.inline = new PlainElement(`${prefix}is`);
    this.text = new PlainElement(`${prefix}t`, ['xml:space']);
  }

  /** @param block in which the rows are valid UTF-8 */
  begin(block: Buffer): void {
    this.block = block;
    this.characters = block.toString('latin1');
  }

  /** Reads the row that begins here. @returns the place after it; -1 if it is for the parser */
  scan(start: number): number {
    const { block, row, rowElement } = this;
    let at = rowElement.read(block, start);
    if (at === -1) return -1;
    row.width = 0;
    row.number = null;
    if (rowElement.has(REFERENCE)) {
      row.number = wholeNumber(block, rowElement.starts[REFERENCE] ?? 0, rowElement.ends[REFERENCE] ?? 0);
      if (row.number === -1) return -1;
    }
    if (block[at] === SLASH) return block[at + 1] === GREATER ? at + 2 : -1;
    for (at += 1; ;) {
      at = afterSpace(block, at);
      if (follows(block, at, rowElement.closing)) return at + rowElement.closing.length;
      at = this.readCell(at);
      if (at === -1) return -1;
    }
  }

  private readCell(start: number): number {
    const { block, row, cell: element } = this;
    let at = element.read(block, start);
    if (at === -1) return -1;
    const cell = (row.cells[row.width] ??= {
      column: -1,
      type: 'n',
      style: 0,
      hasFormula: false,
      text: null,
    });
    row.width += 1;
    cell.hasFormula = false;
    cell.text = null;
    if (!this.readAttributes(cell)) return -1;
    if (block[at] === SLASH) return block[at + 1] === GREATER ? at + 2 : -1;
    at = afterSpace(block, at + 1);
    if (follows(block, at, this.formula.opening)) {
      cell.hasFormula = true;
      at = this.readText(at, this.formula, null);
      if (at === -1) return -1;
      at = afterSpace(block, at);
    }
    if (follows(block, at, this.value.opening)) at = this.readText(at, this.value, cell);
    else if (follows(block, at, this.inline.opening)) at = this.readInline(at, cell);
    if (at === -1) return -1;
    at = afterSpace(block, at);
    return follows(block, at, element.closing) ? at + element.closing.length : -1;
  }

  private readAttributes(cell: ScannedCell): boolean {
    const {
      block,
      cell: { starts, ends },
    } = this;
    cell.column = -1;
    cell.style = 0;
    cell.type = 'n';
    if (this.cell.has(REFERENCE)) {
      cell.column = columnOf(block, starts[REFERENCE] ?? 0, ends[REFERENCE] ?? 0);
      if (cell.column === -1) return false;
    }
    if (this.cell.has(STYLE)) {
      cell.style = wholeNumber(block, starts[STYLE] ?? 0, ends[STYLE] ?? 0);
      if (cell.style === -1) return false;
    }
    if (!this.cell.has(TYPE)) return true;
    for (const { type, bytes } of TYPES) {
      if (!follows(block, starts[TYPE] ?? 0, bytes)) continue;
      cell.type = type;
      return true;
    }
    return false;
  }

  private readInline(start: number, cell: ScannedCell): number {
    const { block, inline } = this;
    let at = inline.read(block, start);
    if (at === -1 || block[at] === SLASH) return -1;
    at = this.readText(afterSpace(block, at + 1), this.text, cell);
    if (at === -1) return -1;
    at = afterSpace(block, at);
    return follows(block, at, inline.closing) ? at + inline.closing.length : -1;
  }

  /** Reads an element that has nothing but text. @param cell to which the text belongs */
  private readText(start: number, element: PlainElement, cell: ScannedCell | null): number {
    const { block } = this;
    const tag = element.read(block, start);
    if (tag === -1) return -1;
    if (block[tag] === SLASH) {
      if (cell !== null) cell.text = '';
      return block[tag + 1] === GREATER ? tag + 2 : -1;
    }
    let at = tag + 1;
    let bits = 0;
    for (; block[at] !== LESS; at += 1) {
      const byte = block[at] ?? 0;
      if (byte === AMPERSAND || byte === GREATER || (byte < SPACE && byte !== LINE_FEED && byte !== TAB))
        return -1;
      // U+FFFE and U+FFFF, and all that begin like them.
      if (byte === 0xef && block[at + 1] === 0xbf) return -1;
      bits |= byte;
    }
    if (!follows(block, at, element.closing)) return -1;
    if (cell !== null) {
      cell.text =
        bits > LAST_ASCII ? block.toString('utf8', tag + 1, at) : this.characters.slice(tag + 1, at);
    }
    return at + element.closing.length;
  }
}
