import type { ByteRange, RecordOrigin } from '../formats/record-reader.js';
import { type CopyInput, visiblyEscaped } from '../platform/database/copy-rows.js';
import { ErrorTally, OrderingKeys } from '../records/rows.js';
import type { CompiledTarget, PlainCheck, RowVerdict } from '../records/target.js';
import { allErrors, PLAIN_RECORD_COPY, RECORD_COPY, storedErrors } from './records.sql.js';

/** A field's length, before its bytes. */
const LENGTH_BYTES = 4;

/**
 * Rows of a binary COPY that wait for the id of their batch. A payload stays in the buffer that received it and is copied
 * only once, into the buffer to write. Joining strings and encoding them again would cost a quarter of the intake time.
 */
class RecordRows {
  /** The approximate length of the rows in bytes. */
  length = 0;
  /** Of each row: the bytes that hold its payload, and the fields between line and payload. */
  private payloads: Buffer[] = [];
  private heads: (Buffer | null)[] = [];
  /** Of each row: its line, and where its payload starts and ends. An object for each would outlast collections. */
  private places = new Int32Array(3 * 1024);
  /**
   * Whether all rows so far consist of batch, line and payload. Most batches have no other rows, and PostgreSQL then
   * need not read an empty field for each other column. It never becomes true again, so a batch has at most one change
   * of statement.
   */
  private isPlain = true;

  /** @param head the fields between line and payload; `null` if all are empty */
  add(line: number, head: Buffer | null, bytes: Buffer, start: number, end: number): void {
    if (head !== null) this.isPlain = false;
    const place = 3 * this.payloads.length;
    if (place === this.places.length) this.grow();
    this.places[place] = line;
    this.places[place + 1] = start;
    this.places[place + 2] = end;
    this.payloads.push(bytes);
    this.heads.push(head);
    this.length += (head?.length ?? 0) + end - start;
  }

  /** Takes the rows of the batch. */
  take(batchId: number): CopyInput {
    const noHead = this.isPlain ? NO_BYTES : NO_FIELDS;
    const beginning = rowBeginning(batchId, this.isPlain);
    const perRow = beginning.length + noHead.length + 2 * LENGTH_BYTES;
    const bytes = Buffer.allocUnsafe(this.length + this.payloads.length * perRow);
    let at = 0;
    for (let row = 0, place = 0; row < this.payloads.length; row += 1, place += 3) {
      const start = this.places[place + 1] ?? 0;
      const end = this.places[place + 2] ?? 0;
      at = writeShort(bytes, at, beginning);
      at = writeInteger(bytes, at, this.places[place] ?? 0);
      at = writeShort(bytes, at, this.heads[row] ?? noHead);
      at = writeInteger(bytes, at, end - start);
      at += this.payloads[row]?.copy(bytes, at, start, end) ?? 0;
    }
    this.payloads = [];
    this.heads = [];
    this.length = 0;
    const into = this.isPlain ? PLAIN_RECORD_COPY : RECORD_COPY;
    return { into, isBinary: true, rows: bytes.subarray(0, at) };
  }

  private grow(): void {
    const larger = new Int32Array(2 * this.places.length);
    larger.set(this.places);
    this.places = larger;
  }
}

const BINARY_NULL = Buffer.from([0xff, 0xff, 0xff, 0xff]);
/** `jsonb` is sent as a version and text. */
const JSONB_VERSION = '\u0001';

/** A field of a binary COPY into a column of type `text`. @param value must not contain NUL */
function binaryText(value: string | null): Buffer {
  return value === null ? BINARY_NULL : binaryField(Buffer.from(value));
}

/** The same for `jsonb`. @param json without the escape of NUL */
function binaryJsonb(json: string | null): Buffer {
  return binaryText(json === null ? null : JSONB_VERSION + json);
}

/** The same for `integer`. */
function binaryInteger(value: number | null): Buffer {
  if (value === null) return BINARY_NULL;
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return binaryField(bytes);
}

/** The same for `bigint`. */
function binaryBigint(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return binaryField(bytes);
}

function binaryField(value: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(value.length);
  return Buffer.concat([length, value]);
}

const NO_BYTES = Buffer.alloc(0);

/** Status, error, further errors, origin line, row and reference of a record without these. */
const NO_FIELDS = Buffer.concat([binaryText('pending'), ...[...'1234567'].map(() => binaryText(null))]);

/** The number of fields, the batch, and the length of the line number. */
function rowBeginning(batchId: number, isPlain: boolean): Buffer {
  const fields = Buffer.alloc(2);
  fields.writeInt16BE(isPlain ? 3 : 11);
  return Buffer.concat([fields, binaryBigint(batchId), binaryInteger(0).subarray(0, LENGTH_BYTES)]);
}

/** Copies a few bytes, faster than `set` does; answers the index after them. */
function writeShort(bytes: Buffer, start: number, short: Buffer): number {
  for (let index = 0; index < short.length; index += 1) bytes[start + index] = short[index] ?? 0;
  return start + short.length;
}

/** Writes four bytes, faster than `writeInt32BE` does, which checks its arguments; answers the index after them. */
function writeInteger(bytes: Buffer, start: number, value: number): number {
  bytes[start] = value >>> 24;
  bytes[start + 1] = value >>> 16;
  bytes[start + 2] = value >>> 8;
  bytes[start + 3] = value;
  return start + 4;
}

function encoded(text: string): ByteRange {
  const bytes = Buffer.from(text);
  return { bytes, start: 0, end: bytes.length };
}

/** The facts about one chunk that the intake knows. Lines are 1-based and inclusive. */
export interface ChunkRow {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  recordCount: number;
  invalidCount: number;
  orderingKeys: Buffer | null;
  /** The cells of columns that are not imported, as a JSON object by line. */
  leftOut: Buffer | null;
}

/**
 * The most payload bytes of one chunk; a single record may exceed it. A worker holds several whole chunks in
 * memory, and the text written for a chunk must not exceed the size limit of a statement.
 */
const LARGEST_CHUNK = 8 * 1024 ** 2;

const NO_ORIGIN: RecordOrigin = {};

/**
 * Collects records as rows to copy and cuts them into chunks, in line order or from the last line to the first. The batch id is added when rows are taken, because a
 * small batch is read to its end before the database assigns an id.
 */
export class RecordCollector {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  /** Why records were refused. */
  readonly errorGroups = new ErrorTally();
  private readonly rows = new RecordRows();
  private finished: ChunkRow[] = [];
  private open: ChunkRow | null = null;
  private openBytes = 0;
  /** Of the open chunk, one member per line. */
  private leftOut: string[] = [];
  private readonly orderingKeys = new OrderingKeys();

  /** A collector for records of a target. */
  static for({ chunkFactor = 1 }: Pick<CompiledTarget, 'chunkFactor'>, chunkSize: number): RecordCollector {
    return new RecordCollector(chunkSize * chunkFactor);
  }

  /** @param chunkSize the most records in one chunk */
  constructor(private readonly chunkSize: number) {}

  /** Bytes collected and not yet taken. */
  get pendingLength(): number {
    return this.rows.length;
  }

  /**
   * Adds the next record.
   * @param verdict with `error` the record is invalid. `errors` lists all its errors, of which the first `MOST_ERRORS`
   *   are stored; omit it if `error` is the only one.
   * @param origin `row` is stored if it differs from `line`
   */
  add(
    line: number,
    payload: string,
    verdict: RowVerdict,
    {
      originLine = null,
      row = line,
      reference = null,
      leftOut = null,
      bytes: stored = encoded(payload),
    }: RecordOrigin = NO_ORIGIN,
  ): void {
    const { error, orderingKeys } = verdict;
    const isPlain = error === null && originLine === null && row === line && reference === null;
    const own = { originLine, row: row === line ? null : row, reference };
    this.rows.add(line, isPlain ? null : headFields(verdict, own), stored.bytes, stored.start, stored.end);
    this.totalCount += 1;

    const chunk = this.countIn(line, stored.end - stored.start + (leftOut?.length ?? 0));
    if (leftOut !== null) this.leftOut.push(`"${line}":${leftOut}`);
    if (error === null) for (const key of orderingKeys) this.orderingKeys.add(key);
    else {
      chunk.invalidCount += 1;
      this.invalidCount += 1;
      for (const each of allErrors(verdict)) this.errorGroups.add(line, each);
    }
    if (chunk.recordCount === this.chunkSize) this.closeChunk();
  }

  /** Adds the next record, which its checks have just accepted. */
  addPlain(line: number, bytes: Buffer, start: number, end: number, checks: readonly PlainCheck[]): void {
    this.rows.add(line, null, bytes, start, end);
    this.totalCount += 1;
    const chunk = this.countIn(line, end - start);
    for (let index = 0; index < checks.length; index += 1) {
      const key = checks[index]?.key ?? null;
      if (key !== null) this.orderingKeys.addHash(key);
    }
    if (chunk.recordCount === this.chunkSize) this.closeChunk();
  }

  /** Counts a record of so many bytes in the open chunk, or in a new one if it has no room. */
  private countIn(line: number, bytes: number): ChunkRow {
    if (this.openBytes + bytes > LARGEST_CHUNK) this.closeChunk();
    this.openBytes += bytes;
    const chunk = (this.open ??= this.newChunk(line));
    if (line < chunk.firstLine) chunk.firstLine = line;
    else chunk.lastLine = line;
    chunk.recordCount += 1;
    return chunk;
  }

  /** Ends the last chunk. No record may be added afterwards. */
  end(): void {
    this.closeChunk();
  }

  /** Takes the rows collected so far, as those of the batch. */
  takeRows(batchId: number): CopyInput {
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
      leftOut: null,
    };
  }

  private closeChunk(): void {
    if (this.open === null) return;
    this.open.orderingKeys = this.orderingKeys.take();
    if (this.leftOut.length > 0) this.open.leftOut = Buffer.from(`{${this.leftOut.join(',')}}`);
    this.leftOut = [];
    this.finished.push(this.open);
    this.open = null;
    this.openBytes = 0;
  }
}

function headFields(
  verdict: RowVerdict,
  { originLine, row, reference }: { originLine: number | null; row: number | null; reference: string | null },
): Buffer {
  const { error } = verdict;
  const shown = (text: string | undefined) => binaryText(text === undefined ? null : visiblyEscaped(text));
  return Buffer.concat([
    binaryText(error === null ? 'pending' : 'invalid'),
    shown(error?.code),
    shown(error?.message),
    shown(error?.pointer),
    binaryJsonb(storedErrors(verdict)),
    binaryInteger(originLine),
    binaryInteger(row),
    binaryText(reference),
  ]);
}
