import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Transaction } from '../platform/database/transaction.js';
import type { ChunkRow, RecordCollector } from './record-collector.js';

/** COPY text collected before it is written: large writes cost less than many. */
const FLUSH_LENGTH = 256 * 1024;
/** COPY text that may be collected while a write is under way, so that a COPY's end need not be waited for. */
const COLLECTED_MEANWHILE = 1024 * 1024;
/** Chunks that may wait to be inserted while a COPY holds the connection: bounds memory whatever the batch's size. */
const CHUNKS_PER_COPY = 64;

/**
 * Writes the records and chunks of one batch inside the transaction of its creation. A connection that runs a COPY can
 * do nothing else, so the COPY is ended now and then to insert the chunks that became complete. One write is under way
 * while the next is collected: neither the body nor the database waits for the other.
 */
export class BatchWriter {
  private copy: Writable | null = null;
  /** Why the connection is of no use any more. The stream does not remember it, and would fail on `null` when used. */
  private failure: Error | null = null;
  /** The write that is under way. It never rejects: what failed is thrown where it is waited for. */
  private underWay: Promise<unknown> = Promise.resolve();
  private isWriting = false;
  private writeFailure: { error: unknown } | null = null;

  constructor(
    private readonly transaction: Transaction,
    private readonly batchId: number,
    private readonly rows: RecordCollector,
  ) {}

  /** Begins to write what has been collected if it is worth a write; resolves when more may be collected. */
  async flush(): Promise<void> {
    const endsCopy = this.rows.finishedChunks >= CHUNKS_PER_COPY;
    const isDue = endsCopy || this.rows.pendingLength >= FLUSH_LENGTH;
    if (!isDue || (this.isWriting && this.rows.pendingLength < COLLECTED_MEANWHILE)) return;
    await this.written();
    this.begin(this.takeRows(), endsCopy ? this.rows.takeChunks() : null);
  }

  /** Writes all the rest. */
  async end(): Promise<void> {
    this.rows.end();
    await this.suspend();
  }

  /** Writes what was collected and frees the connection for other statements; more may be collected afterwards. */
  async suspend(): Promise<void> {
    await this.written();
    await this.write(this.takeRows(), this.rows.takeChunks());
  }

  /** Ends a COPY that cannot be completed, so that the connection can roll back. */
  async abort(): Promise<void> {
    await this.underWay;
    if (this.copy === null || this.copy.closed || this.failure !== null) return;
    const closed = once(this.copy, 'close').catch(() => undefined);
    this.copy.destroy();
    await closed;
  }

  private takeRows(): Buffer | null {
    return this.rows.pendingLength === 0 ? null : this.rows.takeRows(this.batchId);
  }

  private begin(rows: Buffer | null, chunks: ChunkRow[] | null): void {
    this.isWriting = true;
    this.underWay = this.write(rows, chunks)
      .catch((error: unknown) => (this.writeFailure = { error }))
      .then(() => (this.isWriting = false));
  }

  /** Waits for the write that is under way. */
  private async written(): Promise<void> {
    await this.underWay;
    if (this.writeFailure !== null) throw this.writeFailure.error;
  }

  /** @param chunks the chunks that the COPY is to be ended for; `null` if it goes on */
  private async write(rows: Buffer | null, chunks: ChunkRow[] | null): Promise<void> {
    if (rows !== null) {
      this.copy ??= this.openCopy();
      this.throwIfFailed();
      if (!this.copy.write(rows)) await drained(this.copy);
    }
    if (chunks === null) return;
    if (this.copy !== null) {
      this.throwIfFailed();
      this.copy.end();
      await finished(this.copy);
      this.copy = null;
    }
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

/**
 * A chunk whose records are all invalid has nothing left to do. The ordering keys of all chunks are one parameter, which
 * is sent as bytes: an array of them would be sent as text.
 */
const INSERT_CHUNKS = `
  INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
    record_count, invalid_count, ordering_keys, state, done_at)
  SELECT $1, chunk_number, first_line, last_line, record_count, invalid_count,
    substring($2::bytea FROM keys_before + 1 FOR keys_length),
    CASE WHEN record_count = invalid_count THEN 'done' ELSE 'pending' END,
    CASE WHEN record_count = invalid_count THEN now() END
  FROM unnest($3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[])
    AS chunk (chunk_number, first_line, last_line, record_count, invalid_count, keys_before, keys_length)`;

function columnsOf(batchId: number, chunks: readonly ChunkRow[]): unknown[] {
  let keysLength = 0;
  const keysBefore = chunks.map(({ orderingKeys }) => {
    const before = keysLength;
    keysLength += orderingKeys?.length ?? 0;
    return before;
  });
  return [
    batchId,
    Buffer.concat(chunks.flatMap(({ orderingKeys }) => orderingKeys ?? [])),
    chunks.map(({ chunkNumber }) => chunkNumber),
    chunks.map(({ firstLine }) => firstLine),
    chunks.map(({ lastLine }) => lastLine),
    chunks.map(({ recordCount }) => recordCount),
    chunks.map(({ invalidCount }) => invalidCount),
    keysBefore,
    chunks.map(({ orderingKeys }) => orderingKeys?.length ?? null),
  ];
}
