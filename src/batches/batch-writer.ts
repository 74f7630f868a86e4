import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { BINARY_COPY_END, BINARY_COPY_START, type CopyInput } from '../platform/database/copy-rows.js';
import type { Transaction } from '../platform/database/database.service.js';
import { insertChunks } from './chunks.sql.js';
import type { ChunkRow, RecordCollector } from './record-collector.js';

/** Rows are collected up to this length before they are written: few large writes cost less than many small ones. */
const FLUSH_LENGTH = 256 * 1024;
/** Bytes of rows that may be collected during a write, so that the intake does not wait for the end of a COPY. */
const COLLECTED_MEANWHILE = 1024 * 1024;
/** Chunks that may wait for their insert while a COPY holds the connection. The limit bounds memory for any batch. */
const CHUNKS_PER_COPY = 64;

/**
 * Writes the records and chunks of one batch inside the transaction that creates it. A connection that runs a COPY can
 * do nothing else, so the COPY ends from time to time to insert the chunks that are complete. One write is under way
 * while the next is collected: neither the body nor the database waits for the other.
 */
export class BatchWriter {
  private copy: Writable | null = null;
  /** The table and columns of `copy`. */
  private into = '';
  /** Why the connection is unusable. The stream does not remember the failure, and using it would fail on `null`. */
  private failure: Error | null = null;
  /** The write that is under way. It never rejects: `written` throws its failure. */
  private underWay: Promise<unknown> = Promise.resolve();
  private isWriting = false;
  private wroteAt = performance.now();
  private writeFailure: { error: unknown } | null = null;
  /** The write of rows that travel with the statements that follow `end`. */
  last: Promise<void> = Promise.resolve();

  constructor(
    private readonly transaction: Transaction,
    private readonly batchId: number,
    private readonly rows: RecordCollector,
    /** After this long without a write, the next piece of a slow body is written, however small. */
    private readonly quietLimitMs: number,
  ) {}

  /** Starts a write if enough rows are collected. Resolves when more rows may be collected. */
  async flush(): Promise<void> {
    if (performance.now() - this.wroteAt > this.quietLimitMs) return this.showLife();
    const endsCopy = this.rows.finishedChunks >= CHUNKS_PER_COPY;
    const isDue = endsCopy || this.rows.pendingLength >= FLUSH_LENGTH;
    if (!isDue || (this.isWriting && this.rows.pendingLength < COLLECTED_MEANWHILE)) return;
    await this.written();
    this.begin(this.takeRows(), endsCopy ? this.rows.takeChunks() : null);
  }

  /**
   * The reconciler ends a COPY that receives no data, because its process may be frozen. PostgreSQL ends an idle
   * transaction. A slow body or a very long line leaves nothing to write, so this shows that the process is alive.
   */
  private async showLife(): Promise<void> {
    await this.suspend();
    await this.transaction.query('SELECT');
    this.wroteAt = performance.now();
  }

  /**
   * Writes the remaining rows. The last chunks stay with the rows: their insert needs no round trip of its own. Neither do
   * the rows of a small batch: `last` waits for them.
   */
  async end(): Promise<void> {
    this.rows.end();
    await this.written();
    const rows = this.takeRows();
    if (this.copy === null && rows !== null) {
      this.last = this.transaction.withNext(() => this.transaction.copyTogether([rows]));
      // Whoever asks later gets the failure.
      this.last.catch(() => undefined);
      return;
    }
    await this.write(rows, null);
    await this.endCopy();
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

  private takeRows(): CopyInput | null {
    return this.rows.pendingLength === 0 ? null : this.rows.takeRows(this.batchId);
  }

  private begin(rows: CopyInput | null, chunks: ChunkRow[] | null): void {
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
  private async write(rows: CopyInput | null, chunks: ChunkRow[] | null): Promise<void> {
    if (rows !== null) {
      if (this.into !== rows.into) await this.endCopy();
      this.copy ??= await this.openCopy(rows);
      this.throwIfFailed();
      if (!this.copy.write(rows.rows)) await drained(this.copy);
      this.wroteAt = performance.now();
    }
    if (chunks === null) return;
    await this.endCopy();
    if (chunks.length > 0) await insertChunks(this.transaction, this.batchId, chunks);
  }

  private async endCopy(): Promise<void> {
    if (this.copy === null) return;
    this.throwIfFailed();
    this.copy.end(BINARY_COPY_END);
    await finished(this.copy);
    this.copy = null;
  }

  private async openCopy(input: CopyInput): Promise<Writable> {
    const copy = await this.transaction.copyFrom(input);
    copy.on('error', (error) => (this.failure ??= error));
    copy.write(BINARY_COPY_START);
    this.into = input.into;
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
