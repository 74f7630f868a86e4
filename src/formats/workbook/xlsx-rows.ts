import { isUtf8 } from 'node:buffer';
import { afterSpace, GREATER, isSpace, RowScanner } from './row-scanner.js';
import type { SheetRow } from './workbook-cells.js';
import { XmlPart, type XmlTag } from './workbook-xml.js';
import type { XlsxSheet } from './xlsx-sheet.js';

const EMPTY: Buffer = Buffer.alloc(0);
const LONE_GREATER = Buffer.from('>');
/** A longer row goes to the parser, so that little is held and searched again. */
const LONGEST_ROW = 64 * 1024;
/** A row that is tried in vain costs a tenth of what one that is read here saves. */
const TRIES_PER_ROW = 10;
const FIRST_TRIES = 1_000;

/** Reads the part of a sheet: the rows in the common form itself, and the rest with the parser. */
class SheetPart {
  private readonly part = new XmlPart(this);
  /** `null` outside the rows, and where they are all for the parser. */
  private scanner: RowScanner | null = null;
  private tries = FIRST_TRIES;
  private depth = 0;
  private isWorksheet = false;
  /** Whether the parser has just read a tag after which the next row may begin. */
  private isBetweenRows = false;
  /** The beginning of a row that goes on in the next piece. */
  private held = EMPTY;

  constructor(
    private readonly sheet: XlsxSheet,
    private readonly isMain: (uri: string) => boolean,
  ) {}

  open(tag: XmlTag): void {
    this.sheet.open(tag);
    this.depth += 1;
    this.isBetweenRows = false;
    if (this.depth === 1) this.isWorksheet = tag.local === 'worksheet';
    if (this.depth !== 2 || !this.isWorksheet || tag.local !== 'sheetData') return;
    if (!this.isMain(tag.uri) || !this.part.isPlain) return;
    const prefix = tag.prefix === '' ? '' : `${tag.prefix}:`;
    this.scanner = new RowScanner(prefix, (each) => this.part.declares(each));
    this.isBetweenRows = true;
  }

  close(tag: XmlTag): void {
    this.sheet.close(tag);
    this.depth -= 1;
    if (this.depth < 2) this.scanner = null;
    this.isBetweenRows = this.depth === 2;
  }

  text(text: string): void {
    this.sheet.text(text);
  }

  /** @throws DamagedWorkbookError */
  read(piece: Buffer): void {
    const block = this.held.length === 0 ? piece : Buffer.concat([this.held, piece]);
    this.held = EMPTY;
    let rowsEnd: number | null = null;
    let at = 0;
    while (at < block.length) {
      const { scanner } = this;
      if (scanner !== null && this.isBetweenRows) {
        rowsEnd ??= endOfRows(block, at, scanner);
        at = this.scan(block, at, rowsEnd, scanner);
        if (mayGoOn(block, at, scanner)) {
          this.held = block.subarray(at);
          return;
        }
      }
      at = this.parse(block, at);
    }
  }

  /** @throws DamagedWorkbookError if the part ends too early */
  end(): void {
    if (this.held.length > 0) this.part.write(this.held);
    this.part.end();
  }

  /** Reads rows until one is not of the common form. @returns the place after the last one */
  private scan(block: Buffer, start: number, rowsEnd: number, scanner: RowScanner): number {
    let at = start;
    while (at < rowsEnd) {
      const end = scanner.scan(afterSpace(block, at));
      if (end === -1) break;
      this.sheet.addRow(scanner.row);
      this.tries += TRIES_PER_ROW;
      at = end;
    }
    return at;
  }

  /** Lets the parser read until the next row that may be of the common form. @returns the place of that row */
  private parse(block: Buffer, start: number): number {
    const end = this.scanner === null ? -1 : this.endBeforeRow(block, start, this.scanner.rowElement.opening);
    if (end === -1) {
      this.part.write(block.subarray(start));
      this.isBetweenRows = false;
      return block.length;
    }
    this.tries -= 1;
    if (this.tries === 0) this.scanner = null;
    if (end > start) this.part.write(block.subarray(start, end));
    // Only a tag that ends with this byte shows that the row does not stand in a comment.
    this.isBetweenRows = false;
    this.part.write(LONE_GREATER);
    return end + 1;
  }

  /** The place of the last `>` before the next row; -1 if there is none. */
  private endBeforeRow(block: Buffer, start: number, opening: Buffer): number {
    for (let row = block.indexOf(opening, start + 1); row !== -1; row = block.indexOf(opening, row + 1)) {
      let end = row - 1;
      while (end > start && isSpace(block[end])) end -= 1;
      if (end >= start && block[end] === GREATER) return end;
    }
    return -1;
  }
}

/** Prepares a block for the scanner. @returns the place after its last row; 0 if the bytes before it are not text */
function endOfRows(block: Buffer, start: number, scanner: RowScanner): number {
  const { closing } = scanner.rowElement;
  const last = block.lastIndexOf(closing);
  if (last < start || !isUtf8(block.subarray(start, last))) return 0;
  scanner.begin(block);
  return last + closing.length;
}

/** Whether only the beginning of a row is left, or nothing. */
function mayGoOn(block: Buffer, at: number, scanner: RowScanner): boolean {
  const { opening, closing } = scanner.rowElement;
  if (block.length - at > LONGEST_ROW || block.includes(closing, at)) return false;
  const start = block.subarray(afterSpace(block, at));
  return start.subarray(0, opening.length).equals(opening.subarray(0, start.length));
}

/** Reads a sheet and yields its rows, piece by piece: no more is read than is consumed. @throws DamagedWorkbookError */
export async function* collectRows(
  pieces: AsyncIterable<Buffer>,
  sheet: XlsxSheet,
  isMain: (uri: string) => boolean,
): AsyncGenerator<SheetRow[], void, undefined> {
  const part = new SheetPart(sheet, isMain);
  for await (const piece of pieces) {
    part.read(piece);
    const rows = sheet.take();
    if (rows.length > 0) yield rows;
  }
  part.end();
  yield sheet.take();
}
