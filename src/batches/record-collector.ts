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
/** The most bytes that the line number and the field separators take. */
const MOST_BYTES_BESIDE = 16;

/**
 * Rows of COPY text that wait for the id of their batch. A payload stays in the buffer that received it and is copied
 * only once, into the buffer to write. Joining strings and encoding them again would cost a quarter of the intake time.
 */
class RecordCopyText {
  /** The approximate length of the rows in bytes. */
  length = 0;
  private rows: Row[] = [];

  /** Adds a record that waits to be processed. */
  addPending(line: number, payload: ByteRange): void {
    this.push(line, PENDING, payload);
  }

  /** @param fields status and error as COPY fields, their tabs included */
  add(line: number, fields: string, payload: ByteRange): void {
    this.push(line, Buffer.from(fields), payload);
  }

  /** Takes the rows as COPY text of the batch. */
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

/** Writes a positive number in decimal; answers the index after its last digit. */
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

/** The facts about one chunk that the intake knows. Lines are 1-based and inclusive. */
export interface ChunkRow {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  recordCount: number;
  invalidCount: number;
  orderingKeys: Buffer | null;
}

/**
 * The most payload bytes of one chunk; a single record may exceed it. A worker holds several whole chunks in
 * memory, and the text written for a chunk must not exceed the size limit of a statement.
 */
const LARGEST_CHUNK = 8 * 1024 ** 2;

const NO_ERROR = `pending\t${COPY_NULL}\t${COPY_NULL}\t${COPY_NULL}`;
const NO_ORIGIN: RecordOrigin = {};

/**
 * Collects records as rows of COPY text and cuts them into chunks. The batch id is added when rows are taken, because a
 * small batch is read to its end before the database assigns an id.
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

  /** @param chunkSize the most records in one chunk */
  constructor(private readonly chunkSize: number) {}

  /** Bytes collected and not yet taken. */
  get pendingLength(): number {
    return this.rows.length;
  }

  /** @param origin `originLine` is present for all records of a batch or for none */
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

  /** Ends the last chunk. No record may be added afterwards. */
  end(): void {
    this.closeChunk();
  }

  /** The COPY statement for the rows. */
  get copyStatement(): string {
    return this.hasOrigin ? RECORD_COPY_WITH_ORIGIN : RECORD_COPY;
  }

  /** Takes the rows collected so far as COPY text of the batch. */
  takeRows(batchId: number): Buffer {
    return this.rows.take(batchId);
  }

  /** Takes the complete chunks that were not taken before. */
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
