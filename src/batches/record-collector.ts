import type { ByteRange, RecordOrigin } from '../formats/record-reader.js';
import { COPY_NULL, copyField, type CopyInput, visiblyEscaped } from '../platform/database/copy-rows.js';
import { ErrorTally, OrderingKeys } from '../records/rows.js';
import type { CompiledTarget, RowVerdict } from '../records/target.js';
import { allErrors, PLAIN_RECORD_COPY, RECORD_COPY, storedErrors } from './records.sql.js';

interface Row {
  line: number;
  /** The fields between line and payload, their tabs included; `null` if none of them has a value. */
  head: Buffer | null;
  payload: ByteRange;
}

const TAB = Buffer.from('\t');
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
  /**
   * Whether all rows so far consist of batch, line and payload. Most batches have no other rows, and PostgreSQL then
   * need not read an empty field for each other column. It never becomes true again, so a batch has at most one change
   * of statement.
   */
  private isPlain = true;

  /** @param fields the fields between line and payload as COPY text, their tabs included; `null` if all are empty */
  add(line: number, fields: string | null, payload: ByteRange): void {
    const head = fields === null ? null : Buffer.from(fields);
    if (head !== null) this.isPlain = false;
    this.rows.push({ line, head, payload });
    this.length += (head?.length ?? 0) + payload.end - payload.start;
  }

  /** Takes the rows as COPY text of the batch. */
  take(batchId: number): CopyInput {
    const id = Buffer.from(`${batchId}\t`);
    const empty = this.isPlain ? TAB : NO_FIELDS;
    const perRow = id.length + empty.length + MOST_BYTES_BESIDE;
    const text = Buffer.allocUnsafe(this.length + this.rows.length * perRow);
    let at = 0;
    for (const { line, head: fields, payload } of this.rows) {
      const head = fields ?? empty;
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
    return { into: this.isPlain ? PLAIN_RECORD_COPY : RECORD_COPY, text: text.subarray(0, at) };
  }
}

/** Status, error, further errors, origin line, row and reference of a record without these, as COPY fields. */
const NO_FIELDS = Buffer.from(`\tpending\t${[...'1234567'].map(() => COPY_NULL).join('\t')}\t`);

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
 * Collects records as rows of COPY text and cuts them into chunks, in line order or from the last line to the first. The batch id is added when rows are taken, because a
 * small batch is read to its end before the database assigns an id.
 */
export class RecordCollector {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  /** Why records were refused. */
  readonly errorGroups = new ErrorTally();
  private readonly rows = new RecordCopyText();
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
      plainBytes: field = encodedField(payload),
    }: RecordOrigin = NO_ORIGIN,
  ): void {
    const { error, orderingKeys } = verdict;
    const isPlain = error === null && originLine === null && row === line && reference === null;
    const own = { originLine, row: row === line ? null : row, reference };
    this.rows.add(line, isPlain ? null : headFields(verdict, own), field);
    this.totalCount += 1;

    const bytes = field.end - field.start + (leftOut?.length ?? 0);
    if (this.openBytes + bytes > LARGEST_CHUNK) this.closeChunk();
    this.openBytes += bytes;
    const chunk = (this.open ??= this.newChunk(line));
    if (line < chunk.firstLine) chunk.firstLine = line;
    else chunk.lastLine = line;
    chunk.recordCount += 1;
    if (leftOut !== null) this.leftOut.push(`"${line}":${leftOut}`);
    if (error === null) for (const key of orderingKeys) this.orderingKeys.add(key);
    else {
      chunk.invalidCount += 1;
      this.invalidCount += 1;
      for (const each of allErrors(verdict)) this.errorGroups.add(line, each);
    }
    if (chunk.recordCount === this.chunkSize) this.closeChunk();
  }

  /** Ends the last chunk. No record may be added afterwards. */
  end(): void {
    this.closeChunk();
  }

  /** Takes the rows collected so far as COPY text of the batch. */
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
): string {
  const { error } = verdict;
  const fields = [
    error === null ? 'pending' : 'invalid',
    ...(error === null ? [null, null, null] : [error.code, error.message, error.pointer ?? null]),
    storedErrors(verdict),
    originLine?.toString() ?? null,
    row?.toString() ?? null,
    reference,
  ];
  return `\t${fields.map((field) => copyField(field === null ? null : visiblyEscaped(field))).join('\t')}\t`;
}
