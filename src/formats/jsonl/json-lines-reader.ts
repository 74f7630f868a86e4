import { isAscii, isUtf8 } from 'node:buffer';
import type { DomainError, ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { emptyBody, malformedJsonLines } from '../format.errors.js';
import { findDuplicateKey } from '../json/json-members.js';
import { findJsonSyntaxError, findTooDeepNesting, MAX_NESTING } from '../json/json-syntax.js';
import {
  duplicateKeyError,
  LineLimitError,
  MAX_DESCRIBED_ERRORS,
  NO_SINK,
  type RecordOrigin,
  type RecordReader,
  type RecordSink,
} from '../record-reader.js';
import { validPrefix } from '../text/text-decoding.js';
import { LineSplitter, LineTooLongError } from './line-splitter.js';
import { RepeatedRowParser } from './repeated-row-parser.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;
const TAB = 0x09;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NO_ORIGIN: RecordOrigin = {};
const BLANK = /^[ \t\r]*$/;
/** What keeps a line from being `plainBytes`. A line contains no line feed. */
const SPECIAL = /[\\\t\r]/;

/** Reads a JSON Lines body. */
export class JsonLinesReader implements RecordReader {
  readonly errors: ProblemDetail[] = [];
  errorCount = 0;
  private line = 0;
  private atStart: Buffer | null = Buffer.alloc(0);
  private readonly splitter: LineSplitter;

  constructor(
    maxLineBytes: number,
    public sink: RecordSink = NO_SINK,
  ) {
    this.splitter = new LineSplitter(maxLineBytes);
  }

  /** @throws LineLimitError */
  push(piece: Buffer): void {
    const rest = this.withoutByteOrderMark(piece);
    if (rest === null) return;
    this.readNext(() => this.splitter.push(rest));
  }

  /** @throws LineLimitError */
  end(): void {
    if (this.atStart !== null && this.atStart.length > 0) {
      // The body is only one or two bytes, which look like the beginning of a byte order mark.
      const short = this.atStart;
      this.atStart = null;
      this.push(short);
    }
    this.readNext(() => this.splitter.end());
  }

  malformed(): DomainError {
    return malformedJsonLines(this.errors, this.errorCount);
  }

  empty(): DomainError {
    return emptyBody();
  }

  private readNext(split: () => Buffer | null): void {
    let block: Buffer | null;
    try {
      block = split();
    } catch (error) {
      if (!(error instanceof LineTooLongError)) throw error;
      throw new LineLimitError(this.line + error.linesBefore + 1);
    }
    if (block !== null) this.readBlock(block);
  }

  /** Holds back the first bytes until it is clear whether they are a byte order mark. */
  private withoutByteOrderMark(piece: Buffer): Buffer | null {
    if (this.atStart === null) return piece;
    const start = this.atStart.length === 0 ? piece : Buffer.concat([this.atStart, piece]);
    if (start.length < 3 && BYTE_ORDER_MARK.subarray(0, start.length).equals(start)) {
      this.atStart = start;
      return null;
    }
    this.atStart = null;
    return start.subarray(0, 3).equals(BYTE_ORDER_MARK) ? start.subarray(3) : start;
  }

  private readBlock(block: Buffer): void {
    // In ASCII a character is a byte, so one text serves the whole block: an index into it is also an index into the bytes.
    const ascii = isAscii(block) ? block.toString('latin1') : null;
    const isSound = ascii !== null || isUtf8(block);
    const isPlain = !mayContainSpecial(block);
    let shape: RepeatedRowParser | null = null;
    let start = 0;
    while (start < block.length) {
      const found = ascii === null ? block.indexOf(LINE_FEED, start) : ascii.indexOf('\n', start);
      const next = found === -1 ? block.length : found;
      const end = next > start && block[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
      this.line += 1;
      if (!isSound && !isUtf8(block.subarray(start, end))) this.refuseEncoding(block.subarray(start, end));
      else {
        const raw = ascii === null ? block.toString('utf8', start, end) : ascii.slice(start, end);
        const origin =
          isPlain || !SPECIAL.test(raw) ? { plainBytes: { bytes: block, start, end } } : NO_ORIGIN;
        if (ascii !== null && start === 0) shape = RepeatedRowParser.of(raw);
        const row = ascii === null || shape === null ? null : shape.read(block, ascii, start, end);
        if (row === null) this.readLine(raw, origin);
        else this.accept(row, raw, origin);
      }
      start = next + 1;
    }
  }

  private readLine(raw: string, origin: RecordOrigin): void {
    // Checked before JSON.parse, whose error costs a hundred times as much: a body may consist of line ends only.
    if (raw === '') return;
    let row: unknown;
    try {
      row = JSON.parse(raw);
    } catch {
      if (!BLANK.test(raw)) this.refuseSyntax(raw);
      return;
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      this.refuse({
        column: 1,
        code: 'not_an_object',
        message: `the line is ${kindOf(row)}, not a JSON object`,
      });
      return;
    }
    const tooDeep = findTooDeepNesting(raw, MAX_NESTING);
    if (tooDeep !== -1) {
      const message = `objects and arrays are nested deeper than ${MAX_NESTING} levels`;
      this.refuse({ column: columnAt(raw, tooDeep), code: 'nesting_too_deep', message });
      return;
    }
    const duplicate = findDuplicateKey(raw, row);
    if (duplicate === null) this.accept(row as JsonObject, raw, origin);
    else this.accept(row as JsonObject, raw, { ...origin, error: duplicateKeyError(duplicate) });
  }

  private accept(row: JsonObject, raw: string, origin: RecordOrigin): void {
    if (this.errorCount === 0) this.sink(this.line, row, raw, origin);
  }

  private refuseSyntax(raw: string): void {
    const error = findJsonSyntaxError(raw);
    this.refuse({
      column: columnAt(raw, error?.index ?? 0),
      code: 'invalid_json',
      message: `not JSON: ${error?.message ?? 'the line cannot be parsed'}`,
    });
  }

  private refuseEncoding(line: Buffer): void {
    const { column, byte } = findInvalidUtf8(line);
    const found = byte.toString(16).toUpperCase().padStart(2, '0');
    this.refuse({
      column,
      code: 'invalid_utf8',
      message: `the byte 0x${found} here is not valid UTF-8; send the body in UTF-8`,
    });
  }

  private refuse(error: Omit<ProblemDetail, 'line'>): void {
    this.errorCount += 1;
    if (this.errors.length < MAX_DESCRIBED_ERRORS) this.errors.push({ line: this.line, ...error });
  }
}

/** Searching a whole block is fast, and few bodies contain any of these bytes. */
function mayContainSpecial(block: Buffer): boolean {
  return block.includes(BACKSLASH) || block.includes(TAB) || block.includes(CARRIAGE_RETURN);
}

/** 1-based, in characters (code points), as an editor counts them. */
function columnAt(text: string, index: number): number {
  let column = 1;
  for (let at = 0; at < index; at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) column += 1;
  return column;
}

function findInvalidUtf8(line: Buffer): { column: number; byte: number } {
  const valid = validPrefix(line);
  return { column: [...line.toString('utf8', 0, valid)].length + 1, byte: line[valid] ?? 0 };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return (
    { string: 'a string', number: 'a number', boolean: 'a boolean' }[typeof value as string] ?? typeof value
  );
}
