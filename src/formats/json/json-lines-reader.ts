import { isAscii, isUtf8 } from 'node:buffer';
import type { DomainError, ProblemDetail } from '../../platform/errors.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { LineBlock, PlainCheck } from '../../records/target.js';
import { emptyBody, malformedJsonLines } from '../format.errors.js';
import {
  duplicateKeyError,
  LineLimitError,
  MAX_DESCRIBED_ERRORS,
  NO_SINK,
  type PlainSink,
  type RecordOrigin,
  type RecordReader,
  type RecordSink,
} from '../record-reader.js';
import { validPrefix } from '../text-encoding.js';
import {
  findDuplicateKey,
  findTooDeepNesting,
  MAX_NESTING,
  type RecordWrapper,
  unwrapped,
  wrapperOf,
} from './json-members.js';
import { RepeatedRowParser } from './repeated-row-parser.js';
import { EXAMINED_BYTES, findJsonSyntaxError, likelyMistake } from './json-syntax.js';

const EMPTY = Buffer.alloc(0);

/** A line exceeds the limit. `linesBefore` counts the lines before it in the last piece. */
class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';

  constructor(readonly linesBefore: number) {
    super('a line is longer than the limit');
  }
}

/**
 * Cuts a byte stream into blocks of complete lines, regardless of how it arrives in pieces. It works on bytes and
 * cuts only at LF, which no UTF-8 sequence contains, so it never splits a character or a line. It does not copy single
 * lines: a block is a view of the piece that arrived, except for a line that spans two pieces.
 */
class LineSplitter {
  private readonly held: Buffer[] = [];
  private heldBytes = 0;

  /** @param maxLineBytes the most bytes in one line, excluding its line end */
  constructor(private readonly maxLineBytes: number) {}

  /** The lines that are complete now, line ends included, or `null`. @throws LineTooLongError */
  push(piece: Buffer): Buffer | null {
    const lastEnd = piece.lastIndexOf(LINE_FEED);
    if (lastEnd === -1) {
      this.hold(piece, EMPTY);
      return null;
    }
    const complete = piece.subarray(0, lastEnd + 1);
    const block = this.heldBytes === 0 ? complete : Buffer.concat([...this.held, complete]);
    this.held.length = 0;
    this.heldBytes = 0;
    // If the whole block fits into the limit, so does each line, so lines are rarely measured.
    if (block.length > this.maxLineBytes) this.measure(block);
    this.hold(piece.subarray(lastEnd + 1), block);
    return block;
  }

  /** The last line, if it has no line end. @throws LineTooLongError */
  end(): Buffer | null {
    if (this.heldBytes === 0) return null;
    const block = Buffer.concat(this.held);
    this.held.length = 0;
    this.heldBytes = 0;
    if (lengthWithoutEnd(block, 0, block.length) > this.maxLineBytes) throw new LineTooLongError(0);
    return block;
  }

  private hold(piece: Buffer, before: Buffer): void {
    if (piece.length === 0) return;
    this.held.push(piece);
    this.heldBytes += piece.length;
    // One more byte may be the CR of the line end.
    if (this.heldBytes > this.maxLineBytes + 1) throw new LineTooLongError(countLines(before));
  }

  private measure(block: Buffer): void {
    for (let start = 0, lines = 0; start < block.length; lines += 1) {
      const end = block.indexOf(LINE_FEED, start);
      if (lengthWithoutEnd(block, start, end) > this.maxLineBytes) throw new LineTooLongError(lines);
      start = end + 1;
    }
  }
}

function countLines(block: Buffer): number {
  let lines = 0;
  for (let at = block.indexOf(LINE_FEED); at !== -1; at = block.indexOf(LINE_FEED, at + 1)) lines += 1;
  return lines;
}

function lengthWithoutEnd(block: Buffer, start: number, end: number): number {
  return end - start - (end > start && block[end - 1] === CARRIAGE_RETURN ? 1 : 0);
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const BLANK = /^[ \t\r]*$/;

/** Reads a JSON Lines body. */
export class JsonLinesReader implements RecordReader {
  readonly errors: ProblemDetail[] = [];
  errorCount = 0;
  plainSink: PlainSink | null = null;
  private line = 0;
  private atStart: Buffer | null = Buffer.alloc(0);
  /** Kept for the advice about a body that is something else. */
  private beginning: Buffer = EMPTY;
  private readonly splitter: LineSplitter;
  /** Set by the first record: whether the file is one of our own downloads, whose lines hold the records. */
  private wrapper: RecordWrapper | null | undefined;
  /** The shape of the first line of this block or of an earlier one. */
  private shape: RepeatedRowParser | null = null;
  /** The checks for lines of this shape; `null`: each line is parsed. */
  private checks: readonly PlainCheck[] | null = null;

  constructor(
    maxLineBytes: number,
    public sink: RecordSink = NO_SINK,
  ) {
    this.splitter = new LineSplitter(maxLineBytes);
  }

  /** @throws LineLimitError */
  push(piece: Buffer): void {
    if (this.beginning.length < EXAMINED_BYTES) {
      this.beginning = Buffer.concat([this.beginning, piece.subarray(0, EXAMINED_BYTES)]);
    }
    const rest = this.withoutByteOrderMark(piece);
    if (rest === null) return;
    this.readNext(() => this.splitter.push(rest));
  }

  /** @throws LineLimitError */
  end(): void {
    if (this.atStart !== null && this.atStart.length > 0) {
      // The whole body is one or two bytes that look like the beginning of a byte order mark.
      const short = this.atStart;
      this.atStart = null;
      this.push(short);
    }
    this.readNext(() => this.splitter.end());
  }

  malformed(): DomainError {
    return malformedJsonLines(this.errors, this.errorCount, likelyMistake(this.beginning));
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
    // In ASCII a character is a byte, so one text serves the whole block: its indexes are also indexes into the bytes.
    const ascii = isAscii(block) ? block.toString('latin1') : null;
    const isSound = ascii !== null || isUtf8(block);
    const lines = { bytes: block, ascii };
    let start = 0;
    while (start < block.length) {
      const accepted = isSound ? this.acceptPlain(lines, start) : -1;
      if (accepted !== -1) {
        start = accepted;
        continue;
      }
      const found = ascii === null ? block.indexOf(LINE_FEED, start) : ascii.indexOf('\n', start);
      const next = found === -1 ? block.length : found;
      const end = next > start && block[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
      this.line += 1;
      if (!isSound && !isUtf8(block.subarray(start, end))) this.refuseEncoding(block.subarray(start, end));
      else {
        const raw = ascii === null ? block.toString('utf8', start, end) : ascii.slice(start, end);
        const origin = { bytes: { bytes: block, start, end } };
        if (start === 0) this.expect(raw);
        const row = ascii === null ? null : (this.shape?.read(block, ascii, start, end) ?? null);
        if (row === null) this.readLine(raw, origin);
        else this.accept(row, raw, origin);
      }
      start = next + 1;
    }
  }

  /** Expects the following lines to have the shape of this one. */
  private expect(raw: string): void {
    this.shape = RepeatedRowParser.of(raw);
    this.checks = this.shape === null ? null : (this.plainSink?.checksOf(this.shape.names) ?? null);
  }

  /** Accepts the line that begins at `start` without parsing it, and answers where the next one begins; -1: parse it. */
  private acceptPlain(block: LineBlock, start: number): number {
    // Only the first record shows whether records are wrapped.
    if (this.checks === null || this.shape === null || this.wrapper !== null) return -1;
    const end = this.shape.acceptedEnd(block, start, this.checks);
    if (end === -1) return -1;
    const { bytes } = block;
    const next = bytes[end] === CARRIAGE_RETURN ? end + 1 : end;
    if (next < bytes.length && bytes[next] !== LINE_FEED) return -1;
    this.line += 1;
    if (this.errorCount === 0) this.plainSink?.add(this.line, bytes, start, end, this.checks);
    return next + 1;
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
    if (this.wrapper === undefined) this.wrapper = wrapperOf(row) ?? null;
    if (this.wrapper !== null) return this.acceptWrapped(row, raw, origin, this.wrapper);
    if (this.errorCount === 0) this.sink(this.line, row, raw, origin);
  }

  private acceptWrapped(row: JsonObject, raw: string, { error }: RecordOrigin, wrapper: RecordWrapper): void {
    const found = unwrapped(row, raw, wrapper);
    if (found === null) {
      const message = `the first line is one of a download, which holds its record under "${wrapper.holder}"; this line is not: send the records alone, or all of them as they were downloaded`;
      return this.refuse({ column: 1, code: 'not_wrapped', message });
    }
    const { originLine } = found;
    if (this.errorCount === 0) {
      this.sink(this.line, found.row, found.raw, {
        ...(error && { error }),
        ...(originLine !== null && { originLine }),
      });
    }
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
