import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import type { Transaction } from '../../database/transaction.js';
import type { ChunkRow, RecordRows } from './record-rows.js';

/** COPY text collected before it is written: large writes cost less than many. */
const FLUSH_LENGTH = 256 * 1024;
/** Chunks that may wait to be inserted while a COPY holds the connection: bounds memory whatever the batch's size. */
const CHUNKS_PER_COPY = 64;

/**
 * Writes the records and chunks of one batch inside the transaction of its creation. A connection that runs a COPY can
 * do nothing else, so the COPY is ended now and then to insert the chunks that became complete.
 */
export class BatchWriter {
  private copy: Writable | null = null;
  /** Why the connection is of no use any more. The stream does not remember it, and would fail on `null` when used. */
  private failure: Error | null = null;

  constructor(
    private readonly transaction: Transaction,
    private readonly batchId: number,
    private readonly rows: RecordRows,
  ) {}

  /** Writes what has been collected if it is worth a write; resolves when more may be collected. */
  async flush(): Promise<void> {
    if (this.rows.pendingLength >= FLUSH_LENGTH) await this.writeRows();
    if (this.rows.finishedChunks >= CHUNKS_PER_COPY) await this.writeChunks();
  }

  /** Writes all the rest. */
  async end(): Promise<void> {
    this.rows.end();
    await this.writeChunks();
  }

  /** Writes what was collected and frees the connection for other statements; more may be collected afterwards. */
  async suspend(): Promise<void> {
    await this.writeChunks();
  }

  /** Ends a COPY that cannot be completed, so that the connection can roll back. */
  async abort(): Promise<void> {
    if (this.copy === null || this.copy.closed || this.failure !== null) return;
    const closed = once(this.copy, 'close').catch(() => undefined);
    this.copy.destroy();
    await closed;
  }

  private async writeRows(): Promise<void> {
    this.copy ??= this.openCopy();
    this.throwIfFailed();
    if (!this.copy.write(this.rows.takeRows(this.batchId))) await drained(this.copy);
  }

  private async writeChunks(): Promise<void> {
    if (this.rows.pendingLength > 0) await this.writeRows();
    if (this.copy !== null) {
      this.throwIfFailed();
      this.copy.end();
      await finished(this.copy);
      this.copy = null;
    }
    const chunks = this.rows.takeChunks();
    if (chunks.length > 0) await this.transaction.query(INSERT_CHUNKS, columnsOf(this.batchId, chunks));
  }

  private openCopy(): Writable {
    const copy = this.transaction.copyFrom(this.rows.copyStatement);
    copy.on('error', (error) => (this.failure ??= error));
    return copy;
  }

  private throwIfFailed(): void {
    if (this.failure !== null) throw this.failure;
  }
}

async function drained(stream: Writable): Promise<void> {
  if (stream.errored) throw stream.errored;
  await once(stream, 'drain');
}

/** A chunk whose records are all invalid has nothing left to do. */
const INSERT_CHUNKS = `
  INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
    record_count, invalid_count, ordering_keys, state, done_at)
  SELECT $1, chunk_number, first_line, last_line, record_count, invalid_count, ordering_keys,
    CASE WHEN record_count = invalid_count THEN 'done' ELSE 'pending' END,
    CASE WHEN record_count = invalid_count THEN now() END
  FROM unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::bytea[])
    AS chunk (chunk_number, first_line, last_line, record_count, invalid_count, ordering_keys)`;

function columnsOf(batchId: number, chunks: readonly ChunkRow[]): unknown[] {
  return [
    batchId,
    chunks.map(({ chunkNumber }) => chunkNumber),
    chunks.map(({ firstLine }) => firstLine),
    chunks.map(({ lastLine }) => lastLine),
    chunks.map(({ recordCount }) => recordCount),
    chunks.map(({ invalidCount }) => invalidCount),
    chunks.map(({ orderingKeys }) => orderingKeys),
  ];
}
