import type { RecordError } from '../../targets/target.js';
import { COPY_NULL, copyField, storableText } from '../../database/copy/copy-text.js';
import type { RecordOrigin } from './body-reader.js';
import { CopyRows, encodedField } from './copy-rows.js';
import { ErrorTally } from './error-tally.js';
import { OrderingKeys } from './ordering-keys.js';

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

/** Columns of `import_queue_record` in the order of the fields below, the batch id first. */
const COLUMNS =
  'workflow_import_queue_batch_id, line_number, status, error_code, error_message, error_pointer';
const NO_ERROR = `pending\t${COPY_NULL}\t${COPY_NULL}\t${COPY_NULL}`;
const NO_ORIGIN: RecordOrigin = {};
/** Another statement for files that were downloaded here: all others need not carry an empty field through. */
const RECORD_COPY = `COPY import_queue_record (${COLUMNS}, payload) FROM STDIN`;
const RECORD_COPY_WITH_ORIGIN = `COPY import_queue_record (${COLUMNS}, origin_line, payload) FROM STDIN`;

/**
 * Collects records as rows of COPY text and cuts them into chunks. The batch id is put in front when rows are
 * taken, since small batches are read to their end before the database is asked for an id.
 */
export class RecordRows {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  /** Why records were refused. */
  readonly errorGroups = new ErrorTally();
  private readonly rows = new CopyRows();
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
    { originLine, copyField: field = encodedField(payload) }: RecordOrigin = NO_ORIGIN,
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
    .map((field) => copyField(field === null ? null : storableText(field)))
    .join('\t');
}
