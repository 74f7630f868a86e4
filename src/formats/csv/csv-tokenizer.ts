import { LineLimitError } from '../record-reader.js';

/** The cells of one record: `null` if there is nothing between two delimiters, `''` for `""`. */
type CsvCells = (string | null)[];

/** A quoting error in a file. Line and column are 1-based; columns count characters. */
interface CsvFault {
  line: number;
  column: number;
  code: 'text_after_quote' | 'unclosed_quote';
  message: string;
}

export interface CsvSink {
  /**
   * `line` is the 1-based line of the file on which the record begins; `row` is its 1-based place among all records,
   * empty lines included, as a spreadsheet counts.
   */
  record(line: number, cells: CsvCells, row: number): void;
  fault(fault: CsvFault): void;
}

const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const LINE_END = /\r\n|\n|\r/g;
const NEXT_LINE_END = /[\r\n]/g;
const TEXT_AFTER_QUOTE =
  'a closing quote must be followed by a delimiter or the end of the line; a quote inside a quoted cell is written twice';

/**
 * Cuts text into records and cells as RFC 4180 defines them; LF, CRLF and CR all end a record. Quotes inside a cell
 * that does not begin with a quote are text. Empty lines are not records, but they count as lines.
 *
 * A record is always read from its beginning, and read again if it was incomplete, so the boundaries of the pieces do
 * not matter. An incomplete record is read again only after the text has doubled, which keeps the total work linear.
 * Why: ADR 9.
 */
export class CsvTokenizer {
  private text = '';
  private line = 1;
  private row = 1;
  /** Number of characters to wait for before reading again. */
  private wanted = 0;

  /**
   * @param delimiter one UTF-16 code unit
   * @param longest the most characters in one record
   */
  constructor(
    private readonly delimiter: number,
    private readonly longest: number,
    private readonly sink: CsvSink,
  ) {}

  /** @throws LineLimitError */
  push(text: string): void {
    this.text = this.text === '' ? text : this.text + text;
    if (this.text.length >= this.wanted) this.read(false);
  }

  end(): void {
    this.read(true);
  }

  /** The rows before the one that is read next. */
  get rowCount(): number {
    return this.row - 1;
  }

  /** The end of the text pushed so far. */
  position(): { line: number; column: number } {
    return this.placeOf(0, this.text.length);
  }

  private read(final: boolean): void {
    const { text } = this;
    let at = 0;
    while (at < text.length) {
      const next = this.readRecord(at, final);
      if (next === -1) break;
      if (next - at > this.longest + 2) throw new LineLimitError(this.line - 1);
      at = next;
    }
    this.text = text.slice(at);
    if (this.text.length > this.longest) throw new LineLimitError(this.line);
    this.wanted = at === 0 ? this.text.length * 2 : 0;
  }

  /** Reads the record that begins here. Returns where the next one begins, or -1 if this one is incomplete. */
  private readRecord(start: number, final: boolean): number {
    const { text, delimiter } = this;
    const { length } = text;
    const cells: CsvCells = [];
    let at = start;
    let lines = 1;
    for (;;) {
      if (text.charCodeAt(at) === QUOTE) {
        const open = at;
        const { close, escaped } = closingQuote(text, open + 1);
        if (close === -1 || (close + 1 === length && !final)) {
          return final ? this.unclosed(start, open) : -1;
        }
        const cell = text.slice(open + 1, close);
        lines += lineEndsIn(cell);
        cells.push(escaped ? cell.replaceAll('""', '"') : cell);
        at = close + 1;
        const code = text.charCodeAt(at);
        if (at < length && code !== delimiter && code !== LINE_FEED && code !== CARRIAGE_RETURN) {
          return this.textAfterQuote(start, open, at, final);
        }
      } else {
        const from = at;
        for (; at < length; at += 1) {
          const code = text.charCodeAt(at);
          if (code === delimiter || code === LINE_FEED || code === CARRIAGE_RETURN) break;
        }
        if (at === length && !final) return -1;
        cells.push(at === from ? null : text.slice(from, at));
      }
      if (at < length && text.charCodeAt(at) === delimiter) {
        at += 1;
        continue;
      }
      if (text.charCodeAt(at) === CARRIAGE_RETURN) {
        if (at + 1 === length && !final) return -1;
        if (text.charCodeAt(at + 1) === LINE_FEED) at += 1;
      }
      if (cells.length > 1 || cells[0] !== null) this.sink.record(this.line, cells, this.row);
      this.line += lines;
      this.row += 1;
      return Math.min(at + 1, length);
    }
  }

  private unclosed(start: number, open: number): number {
    const message = 'the quote that opens here is never closed';
    this.sink.fault({ ...this.placeOf(start, open), code: 'unclosed_quote', message });
    return this.text.length;
  }

  /**
   * Skips the rest of the line; reading continues with the next line. A cell with line breaks was probably never closed:
   * the quote that ends it opens the next quoted cell, which may be far away in a correct row. So its beginning is named.
   */
  private textAfterQuote(start: number, open: number, at: number, final: boolean): number {
    NEXT_LINE_END.lastIndex = at;
    let end = NEXT_LINE_END.exec(this.text)?.index ?? -1;
    if (end === -1 || (end + 1 === this.text.length && !final)) {
      if (!final) return -1;
      end = this.text.length;
    }
    const place = this.placeOf(start, at);
    const opened = this.placeOf(start, open);
    if (opened.line === place.line) {
      this.sink.fault({ ...place, code: 'text_after_quote', message: TEXT_AFTER_QUOTE });
    } else {
      const message = `the quoted cell that begins here is not closed properly: its next quote is in line ${place.line}, column ${place.column - 1}, and ${TEXT_AFTER_QUOTE}`;
      this.sink.fault({ ...opened, code: 'text_after_quote', message });
    }
    const next = this.text.startsWith('\r\n', end) ? end + 2 : end + 1;
    this.line += lineEndsIn(this.text.slice(start, at)) + 1;
    this.row += 1;
    return Math.min(next, this.text.length);
  }

  private placeOf(start: number, at: number): { line: number; column: number } {
    const before = this.text.slice(start, at);
    const lastEnd = Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r'));
    return {
      line: this.line + lineEndsIn(before),
      column: [...before.slice(lastEnd + 1)].length + 1,
    };
  }
}

function closingQuote(text: string, from: number): { close: number; escaped: boolean } {
  let escaped = false;
  let close = text.indexOf('"', from);
  while (close !== -1 && text.charCodeAt(close + 1) === QUOTE) {
    escaped = true;
    close = text.indexOf('"', close + 2);
  }
  return { close, escaped };
}

function lineEndsIn(text: string): number {
  if (!text.includes('\n') && !text.includes('\r')) return 0;
  return text.match(LINE_END)?.length ?? 0;
}
