import type { RecordError } from '../../targets/target.js';
import { copyField, storableText } from '../../database/copy/copy-text.js';
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

/** Columns of `import_queue_record` in the order of the fields below, the batch id first. */
const COLUMNS =
  'workflow_import_queue_batch_id, line_number, status, error_code, error_message, error_pointer, payload';
/** Another statement for files that were downloaded here: all others need not carry an empty field through. */
const RECORD_COPY = `COPY import_queue_record (${COLUMNS}) FROM STDIN`;
const RECORD_COPY_WITH_ORIGIN = `COPY import_queue_record (${COLUMNS}, origin_line) FROM STDIN`;

/**
 * Collects records as rows of COPY text and cuts them into chunks. The batch id is put in front when rows are
 * taken, since small batches are read to their end before the database is asked for an id.
 */
export class RecordRows {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  /** Characters collected and not yet taken. */
  pendingLength = 0;
  /** Why records were refused. */
  readonly errorGroups = new ErrorTally();
  private rows: string[] = [];
  private hasOrigin = false;
  private finished: ChunkRow[] = [];
  private open: ChunkRow | null = null;
  private readonly orderingKeys = new OrderingKeys();

  constructor(private readonly chunkSize: number) {}

  /** @param originLine as `RecordOrigin` has it; given for all records of a batch or for none */
  add(
    line: number,
    payload: string,
    error: RecordError | null,
    orderingKeys: readonly string[],
    originLine?: number | null,
  ): void {
    const ending = originLine === undefined ? '' : `\t${originLine ?? '\\N'}`;
    const row =
      error === null
        ? `\t${line}\tpending\t\\N\t\\N\t\\N\t${copyField(payload)}${ending}\n`
        : `\t${line}\tinvalid\t${errorFields(error)}\t${copyField(payload)}${ending}\n`;
    this.hasOrigin = originLine !== undefined;
    this.rows.push(row);
    this.pendingLength += row.length;
    this.totalCount += 1;

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
    const prefix = String(batchId);
    const text = this.rows.length === 0 ? '' : prefix + this.rows.join(prefix);
    this.rows = [];
    this.pendingLength = 0;
    return Buffer.from(text);
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
  }
}

function errorFields({ code, message, pointer }: RecordError): string {
  return [code, message, pointer ?? null]
    .map((field) => copyField(field === null ? null : storableText(field)))
    .join('\t');
}
