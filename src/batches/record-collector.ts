import type { ByteRange, RecordOrigin } from '../formats/record-reader.js';
import { COPY_NULL, copyField, visiblyEscaped } from '../platform/database/copy-rows.js';
import { ErrorTally, OrderingKeys } from '../records/rows.js';
import type { RecordError } from '../records/target.js';
import { RECORD_COPY, RECORD_COPY_WITH_ORIGIN } from './records.sql.js';

interface Row {
  line: number;
  /** Status and error as COPY fields, their tabs included. */
  head: Buffer;
  payload: ByteRange;
}

const PENDING = Buffer.from('\tpending\t\\N\t\\N\t\\N\t');
const LINE_FEED = 0x0a;
/** Digits of a line number, and what stands between the fields. */
const MOST_BYTES_BESIDE = 16;

/**
 * Rows of COPY text that wait for the id of their batch. A payload stays where it was received and is copied once, into
 * the buffer that is written: joining strings and encoding them again would cost a quarter of the whole intake.
 */
class RecordCopyText {
  /** Bytes of the rows, nearly. */
  length = 0;
  private rows: Row[] = [];

  /** A record that waits to be processed. */
  addPending(line: number, payload: ByteRange): void {
    this.push(line, PENDING, payload);
  }

  /** @param fields status and error as COPY fields, their tabs included */
  add(line: number, fields: string, payload: ByteRange): void {
    this.push(line, Buffer.from(fields), payload);
  }

  /** The rows as COPY text of that batch. */
  take(batchId: number): Buffer {
    const id = Buffer.from(`${batchId}\t`);
    const text = Buffer.allocUnsafe(this.length + this.rows.length * (id.length + MOST_BYTES_BESIDE));
    let at = 0;
    for (const { line, head, payload } of this.rows) {
      text.set(id, at);
      at = writeDigits(text, at + id.length, line);
      text.set(head, at);
      at += head.length;
      at += payload.bytes.copy(text, at, payload.start, payload.end);
      text[at] = LINE_FEED;
      at += 1;
    }
    this.rows = [];
    this.length = 0;
    return text.subarray(0, at);
  }

  private push(line: number, head: Buffer, payload: ByteRange): void {
    this.rows.push({ line, head, payload });
    this.length += head.length + payload.end - payload.start;
  }
}

/** A text as the bytes of a COPY field. */
function encodedField(text: string): ByteRange {
  const bytes = Buffer.from(copyField(text));
  return { bytes, start: 0, end: bytes.length };
}

/** Writes a positive number in decimal; answers where it ends. */
function writeDigits(text: Buffer, start: number, number: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  for (let at = start + digits - 1, rest = number; at >= start; at -= 1) {
    const quotient = Math.floor(rest / 10);
    text[at] = 0x30 + rest - quotient * 10;
    rest = quotient;
  }
  return start + digits;
}

/** What the intake knows of one chunk. Lines are 1-based and inclusive. */
export interface ChunkRow {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  recordCount: number;
  invalidCount: number;
  orderingKeys: Buffer | null;
}

/**
 * Bytes of the payloads of one chunk, unless a single record has more. A chunk is held in memory as a whole, several at
 * a time, and what is written of it must not be larger than a statement can be.
 */
const LARGEST_CHUNK = 8 * 1024 ** 2;

const NO_ERROR = `pending\t${COPY_NULL}\t${COPY_NULL}\t${COPY_NULL}`;
const NO_ORIGIN: RecordOrigin = {};

/**
 * Collects records as rows of COPY text and cuts them into chunks. The batch id is put in front when rows are
 * taken, since small batches are read to their end before the database is asked for an id.
 */
export class RecordCollector {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  /** Why records were refused. */
  readonly errorGroups = new ErrorTally();
  private readonly rows = new RecordCopyText();
  private hasOrigin = false;
  private finished: ChunkRow[] = [];
  private open: ChunkRow | null = null;
  private openBytes = 0;
  private readonly orderingKeys = new OrderingKeys();

  /** @param chunkSize records of a chunk, at most */
  constructor(private readonly chunkSize: number) {}

  /** Bytes collected and not yet taken. */
  get pendingLength(): number {
    return this.rows.length;
  }

  /** @param origin its `originLine` is given for all records of a batch or for none */
  add(
    line: number,
    payload: string,
    error: RecordError | null,
    orderingKeys: readonly string[],
    { originLine, plainBytes: field = encodedField(payload) }: RecordOrigin = NO_ORIGIN,
  ): void {
    this.hasOrigin = originLine !== undefined;
    if (error === null && !this.hasOrigin) this.rows.addPending(line, field);
    else {
      const state = error === null ? NO_ERROR : `invalid\t${errorFields(error)}`;
      const origin = this.hasOrigin ? `\t${originLine ?? COPY_NULL}` : '';
      this.rows.add(line, `\t${state}${origin}\t`, field);
    }
    this.totalCount += 1;

    const bytes = field.end - field.start;
    if (this.openBytes + bytes > LARGEST_CHUNK) this.closeChunk();
    this.openBytes += bytes;
    const chunk = (this.open ??= this.newChunk(line));
    chunk.lastLine = line;
    chunk.recordCount += 1;
    if (error === null) for (const key of orderingKeys) this.orderingKeys.add(key);
    else {
      chunk.invalidCount += 1;
      this.invalidCount += 1;
      this.errorGroups.add(line, error);
    }
    if (chunk.recordCount === this.chunkSize) this.closeChunk();
  }

  /** Ends the last chunk: nothing is added afterwards. */
  end(): void {
    this.closeChunk();
  }

  /** The statement that takes the rows. */
  get copyStatement(): string {
    return this.hasOrigin ? RECORD_COPY_WITH_ORIGIN : RECORD_COPY;
  }

  /** The rows collected so far as COPY text of that batch. */
  takeRows(batchId: number): Buffer {
    return this.rows.take(batchId);
  }

  /** The chunks that are complete and were not taken before. */
  takeChunks(): ChunkRow[] {
    const chunks = this.finished;
    this.finished = [];
    return chunks;
  }

  get finishedChunks(): number {
    return this.finished.length;
  }

  private newChunk(firstLine: number): ChunkRow {
    this.chunkCount += 1;
    return {
      chunkNumber: this.chunkCount,
      firstLine,
      lastLine: firstLine,
      recordCount: 0,
      invalidCount: 0,
      orderingKeys: null,
    };
  }

  private closeChunk(): void {
    if (this.open === null) return;
    this.open.orderingKeys = this.orderingKeys.take();
    this.finished.push(this.open);
    this.open = null;
    this.openBytes = 0;
  }
}

function errorFields({ code, message, pointer }: RecordError): string {
  return [code, message, pointer ?? null]
    .map((field) => copyField(field === null ? null : visiblyEscaped(field)))
    .join('\t');
}
