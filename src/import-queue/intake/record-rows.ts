import type { RecordError } from '../../targets/target.js';
import { copyField, needsEscape, storableText } from '../../database/copy/copy-text.js';
import { CopyRows, encodedField, type ByteRange } from './copy-rows.js';
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
export const RECORD_COPY = `
  COPY import_queue_record (workflow_import_queue_batch_id, line_number, status,
    error_code, error_message, error_pointer, payload)
  FROM STDIN`;

/**
 * Collects records as rows of COPY text and cuts them into chunks. The batch id is put in front when rows are
 * taken, since small batches are read to their end before the database is asked for an id.
 */
export class RecordRows {
  totalCount = 0;
  invalidCount = 0;
  chunkCount = 0;
  private readonly rows = new CopyRows();
  private finished: ChunkRow[] = [];
  private open: ChunkRow | null = null;
  private readonly orderingKeys = new OrderingKeys();

  constructor(private readonly chunkSize: number) {}

  /** Bytes collected and not yet taken. */
  get pendingLength(): number {
    return this.rows.length;
  }

  /** @param received the payload as it lies in the body, where it does: spares encoding it again */
  add(
    line: number,
    payload: string,
    error: RecordError | null,
    orderingKeys: readonly string[],
    received?: ByteRange,
  ): void {
    const field = received === undefined || needsEscape(payload) ? encodedField(payload) : received;
    if (error === null) this.rows.addPending(line, field);
    else this.rows.add(line, `\tinvalid\t${errorFields(error)}\t`, field);
    this.totalCount += 1;

    const chunk = (this.open ??= this.newChunk(line));
    chunk.lastLine = line;
    chunk.recordCount += 1;
    if (error === null) for (const key of orderingKeys) this.orderingKeys.add(key);
    else {
      chunk.invalidCount += 1;
      this.invalidCount += 1;
    }
    if (chunk.recordCount === this.chunkSize) this.closeChunk();
  }

  /** Ends the last chunk: nothing is added afterwards. */
  end(): void {
    this.closeChunk();
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
  }
}

function errorFields({ code, message, pointer }: RecordError): string {
  return [code, message, pointer ?? null]
    .map((field) => copyField(field === null ? null : storableText(field)))
    .join('\t');
}
