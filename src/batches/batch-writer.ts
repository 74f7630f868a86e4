import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Transaction } from '../platform/database/transaction.js';
import { insertChunks } from './chunks.sql.js';
import type { ChunkRow, RecordCollector } from './record-collector.js';

/** COPY text that is collected before it is written: few large writes cost less than many small ones. */
const FLUSH_LENGTH = 256 * 1024;
/** COPY text that may be collected during a write, so that nothing waits for the end of a COPY. */
const COLLECTED_MEANWHILE = 1024 * 1024;
/** Chunks that may wait for their insert while a COPY holds the connection; bounds memory for a batch of any size. */
const CHUNKS_PER_COPY = 64;

/**
 * Writes the records and chunks of one batch inside the transaction that creates it. A connection that runs a COPY can do
 * nothing else, so the COPY ends from time to time to insert the chunks that are complete. One write is under way while
 * the next is collected: neither the body nor the database waits for the other.
 */
export class BatchWriter {
  private copy: Writable | null = null;
  /** Why the connection can no longer be used. The stream does not remember it, and would fail on `null` if used. */
  private failure: Error | null = null;
  /** The write that is under way. It never rejects: `written` throws its failure. */
  private underWay: Promise<unknown> = Promise.resolve();
  private isWriting = false;
  private wroteAt = performance.now();
  private writeFailure: { error: unknown } | null = null;

  constructor(
    private readonly transaction: Transaction,
    private readonly batchId: number,
    private readonly rows: RecordCollector,
    /** After this long without a write, the next piece of a slow body is written, however small. */
    private readonly quietLimitMs: number,
  ) {}

  /** Begins to write the collected rows if they are worth a write; resolves when more may be collected. */
  async flush(): Promise<void> {
    if (performance.now() - this.wroteAt > this.quietLimitMs) return this.showLife();
    const endsCopy = this.rows.finishedChunks >= CHUNKS_PER_COPY;
    const isDue = endsCopy || this.rows.pendingLength >= FLUSH_LENGTH;
    if (!isDue || (this.isWriting && this.rows.pendingLength < COLLECTED_MEANWHILE)) return;
    await this.written();
    this.begin(this.takeRows(), endsCopy ? this.rows.takeChunks() : null);
  }

  /**
   * The reconciler ends a COPY in which nothing arrives, because its process may be frozen, and PostgreSQL ends a
   * transaction that is idle. A body may be slow, and one of its lines long, so that there is nothing to write.
   */
  private async showLife(): Promise<void> {
    await this.suspend();
    await this.transaction.query('SELECT');
    this.wroteAt = performance.now();
  }

  /** Writes the rest. */
  async end(): Promise<void> {
    this.rows.end();
    await this.suspend();
  }

  /** Writes the collected rows and frees the connection for other statements; more may be collected afterwards. */
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

  /** @param chunks the chunks to insert after the COPY has ended; `null` if the COPY goes on */
  private async write(rows: Buffer | null, chunks: ChunkRow[] | null): Promise<void> {
    if (rows !== null) {
      this.copy ??= this.openCopy();
      this.throwIfFailed();
      if (!this.copy.write(rows)) await drained(this.copy);
      this.wroteAt = performance.now();
    }
    if (chunks === null) return;
    if (this.copy !== null) {
      this.throwIfFailed();
      this.copy.end();
      await finished(this.copy);
      this.copy = null;
    }
    if (chunks.length > 0) await insertChunks(this.transaction, this.batchId, chunks);
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
