import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { findDuplicateKey } from '../formats/json/json-members.js';
import { duplicateKeyError } from '../formats/record-reader.js';
import { WRONG_CELL_COUNT } from '../formats/table-rows.js';
import { EventLoopTurn } from '../platform/concurrency.js';
import { BINARY_COPY_END, BINARY_COPY_START } from '../platform/database/copy-rows.js';
import { AppConfig } from '../platform/config/config.js';
import type { Transaction } from '../platform/database/database.service.js';
import { currentTraceparent, noteBatch } from '../platform/instrumentation.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, RowVerdict } from '../records/target.js';
import { type BatchControl, eventOf } from './batch-state.js';
import { insertBatchWebhooks, writeArrival } from './batches.sql.js';
import { deleteChunks, insertChunks } from './chunks.sql.js';
import { insertControl, markCanary } from './control.sql.js';
import { ImportQueueBatchEntity, type UploadFindings } from './entities.js';
import { deletePreview } from './previews.sql.js';
import { type ChunkRow, type CopiedRows, RecordCollector } from './record-collector.js';
import type { RecordRow } from './record-pages.sql.js';
import { deleteRecords, type RecordToUndo } from './records.sql.js';

/** How a batch was created: the values of `IMPORT_QUEUE_BATCH.CREATION_PATH`. */
export const API_CREATION_PATH = 'IMPORT_QUEUE_API';
export const UI_CREATION_PATH = 'IMPORT_QUEUE_UI';
export const FIX_CREATION_PATH = 'IMPORT_QUEUE_FIX';
export const UNDO_CREATION_PATH = 'IMPORT_QUEUE_UNDO';

/** The stored value for a batch of the API: `IMPORT_QUEUE_API:LH` for `LH`, the bare prefix if none was given. */
export function apiCreationPath(given: string | undefined): string {
  return given === undefined ? API_CREATION_PATH : `${API_CREATION_PATH}:${given}`;
}

/** The import process of a batch, in the version by which all of its records are processed. */
interface BatchProcess {
  id: number;
  version: number;
  workflowVersion: number | null;
}

/** The members of a batch that pin it to a version of its import process. */
export function pinnedTo({ id, version, workflowVersion }: BatchProcess) {
  return { importProcessId: id, importProcessVersion: version, workflowVersion };
}

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
  /** The statement of `copy`. */
  private statement = '';
  /** Why the connection is unusable. The stream does not remember the failure, and using it would fail on `null`. */
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

  /** Writes the remaining rows. The last chunks stay with the rows: their insert needs no round trip of its own. */
  async end(): Promise<void> {
    this.rows.end();
    await this.written();
    await this.write(this.takeRows(), null);
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

  private takeRows(): CopiedRows | null {
    return this.rows.pendingLength === 0 ? null : this.rows.takeRows(this.batchId);
  }

  private begin(rows: CopiedRows | null, chunks: ChunkRow[] | null): void {
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
  private async write(rows: CopiedRows | null, chunks: ChunkRow[] | null): Promise<void> {
    if (rows !== null) {
      if (this.statement !== rows.statement) await this.endCopy();
      this.copy ??= this.openCopy(rows.statement);
      this.throwIfFailed();
      if (!this.copy.write(rows.bytes)) await drained(this.copy);
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

  private openCopy(statement: string): Writable {
    const copy = this.transaction.copyFrom(statement);
    copy.on('error', (error) => (this.failure ??= error));
    copy.write(BINARY_COPY_START);
    this.statement = statement;
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

/** A body that is read, checked and collected while the transaction runs. */
interface ReceivedBody {
  readonly rows: RecordCollector;
  /** Writes what was collected and everything that still arrives. */
  writeAll(writer: BatchWriter): Promise<void>;
}

/** A row that a person wrote or fixed; `line` is its line in the body that was sent first. */
export interface GivenRow {
  line: number;
  /** A JSON object, as text. */
  payload: string;
}

/** A stored record with the error from its first check. */
type StoredRecord = Pick<RecordRow, 'line' | 'payload' | 'originLine' | 'row' | 'errorCode' | 'errorMessage'>;

/** Where the records of a new batch come from. */
export type BatchSource =
  | { kind: 'body'; body: ReceivedBody }
  | {
      kind: 'stored rows';
      /** The next records after a line, in line order, at most `limit`; empty after the last one. */
      select: (afterLine: number, limit: number) => Promise<StoredRecord[]>;
      compiled: CompiledTarget;
    }
  | { kind: 'given rows'; rows: readonly GivenRow[]; compiled: CompiledTarget }
  /** In the order in which they are reverted. */
  | { kind: 'undo'; pages: UndoPages };

type UndoPages = AsyncIterable<readonly RecordToUndo[]>;

/** Records to read at a time. The limit bounds memory for any number of records. */
const PAGE_SIZE = 2000;

/** Stores new batches with their records and chunks. All batches are created here, regardless of their source. */
@Injectable()
export class BatchMaker {
  constructor(private readonly config: AppConfig) {}

  /**
   * Stores the batch with its records and chunks, all or nothing, inside the transaction. No one sees the batch before
   * the commit. Afterwards `batch` has its id, its counts and the status `queued`, or, with findings,
   * `awaiting_confirmation`, or `validated` if it is a dry run.
   * @param control how it is to be run
   * @param findings how an uploaded file, or the body of a dry run, was read; called after all of it was read
   */
  async save(
    transaction: Transaction,
    batch: ImportQueueBatchEntity,
    source: BatchSource,
    control: BatchControl,
    findings?: (rows: RecordCollector) => UploadFindings,
    isDryRun = false,
  ): Promise<void> {
    batch.status = 'receiving';
    batch.traceparent = currentTraceparent();
    await transaction.manager.insert(ImportQueueBatchEntity, batch);
    noteBatch(batch.id);
    await insertControl(transaction, batch.id, control);
    const rows = await this.write(transaction, batch.id, source);
    if (findings === undefined && control.canary !== null) {
      await markCanary(transaction, batch.id);
    }
    await arrive(transaction, batch, rows, { upload: findings?.(rows), isDryRun });
  }

  /**
   * Replaces the records of a locked batch that awaits confirmation, all or nothing: its file was read in another way.
   * @param pinned the version of the import process that the records were checked by
   */
  async replace(
    transaction: Transaction,
    batchId: number,
    pinned: ReturnType<typeof pinnedTo>,
    source: BatchSource,
    findings: (rows: RecordCollector) => UploadFindings,
  ): Promise<void> {
    await deletePreview(transaction, batchId);
    await deleteRecords(transaction, batchId);
    await deleteChunks(transaction, batchId);
    const rows = await this.write(transaction, batchId, source);
    await insertChunks(transaction, batchId, rows.takeChunks());
    await transaction.manager.update(
      ImportQueueBatchEntity,
      { id: batchId, status: 'awaiting_confirmation' },
      { ...pinned, upload: findings(rows), ...countsOf(rows) },
    );
  }

  private async write(
    transaction: Transaction,
    batchId: number,
    source: BatchSource,
  ): Promise<RecordCollector> {
    const { chunkSize } = this.config;
    const rows =
      source.kind === 'body'
        ? source.body.rows
        : RecordCollector.for('compiled' in source ? source.compiled : {}, chunkSize);
    const writer = new BatchWriter(transaction, batchId, rows, (this.config.receiveIdleMs || Infinity) / 2);
    try {
      await writeRecords(source, rows, writer);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return rows;
  }
}

function countsOf({ totalCount, invalidCount, chunkCount }: RecordCollector) {
  return { totalCount, invalidCount, chunkCount };
}

/** Makes the completely stored batch visible to the API and the workers. */
async function arrive(
  transaction: Transaction,
  batch: ImportQueueBatchEntity,
  rows: RecordCollector,
  { upload, isDryRun }: { upload: UploadFindings | undefined; isDryRun: boolean },
): Promise<void> {
  const status = isDryRun ? 'validated' : upload === undefined ? 'queued' : 'awaiting_confirmation';
  const arrival = { status, upload, ...countsOf(rows) } as const;
  const event = eventOf(status);
  const events = ['batch.received' as const, ...(event === undefined ? [] : [event])];
  await Promise.all([
    insertChunks(transaction, batch.id, rows.takeChunks()),
    writeArrival(transaction, batch.id, arrival),
    // No one is told of a dry run.
    isDryRun ? null : insertBatchWebhooks(transaction, batch.id, events),
  ]);
  Object.assign(batch, arrival);
}

function writeRecords(source: BatchSource, rows: RecordCollector, writer: BatchWriter): Promise<void> {
  switch (source.kind) {
    case 'body':
      return source.body.writeAll(writer);
    case 'stored rows':
      return copyStoredRecords(source.select, source.compiled, rows, writer);
    case 'given rows':
      return writeGivenRows(source.rows, source.compiled, rows, writer);
    case 'undo':
      return writeUndo(source.pages, rows, writer);
  }
}

/** Puts stored records into a new batch under their own line numbers, checked by the current rules. */
async function copyStoredRecords(
  select: (afterLine: number, limit: number) => Promise<StoredRecord[]>,
  compiled: CompiledTarget,
  rows: RecordCollector,
  writer: BatchWriter,
): Promise<void> {
  const turn = new EventLoopTurn();
  let page = await select(0, PAGE_SIZE);
  while (page.length > 0) {
    for (const record of page) {
      if (turn.isOver) await turn.next();
      const { line, payload, originLine, row } = record;
      rows.add(line, payload, checkAgain(record, compiled), { originLine, row: row ?? line });
    }
    await writer.suspend();
    page = await select(page.at(-1)?.line ?? 0, PAGE_SIZE);
  }
  await writer.end();
}

/** A row with too few or too many cells stays refused, even if its values would pass the checks. */
function checkAgain(
  { payload, errorCode, errorMessage }: StoredRecord,
  compiled: CompiledTarget,
): RowVerdict {
  if (errorCode === WRONG_CELL_COUNT) {
    return { error: { code: errorCode, message: errorMessage ?? '' }, orderingKeys: [] };
  }
  return checkText(payload, compiled);
}

/** Checks a row given as JSON text by the same rules as the intake. */
function checkText(payload: string, compiled: CompiledTarget): RowVerdict {
  const row = JSON.parse(payload) as JsonObject;
  const duplicate = findDuplicateKey(payload, row);
  if (duplicate !== null) return { error: duplicateKeyError(duplicate), orderingKeys: [] };
  return compiled.checkRow(row, payload);
}

/** No check: the records passed it when they were imported, and are not imported again. */
async function writeUndo(pages: UndoPages, rows: RecordCollector, writer: BatchWriter): Promise<void> {
  for await (const page of pages) {
    for (const { line, payload, row, reference, orderingKeys } of page) {
      rows.add(line, payload, { error: null, orderingKeys }, { row: row ?? line, reference });
    }
    await writer.suspend();
  }
  await writer.end();
}

async function writeGivenRows(
  given: readonly GivenRow[],
  compiled: CompiledTarget,
  rows: RecordCollector,
  writer: BatchWriter,
): Promise<void> {
  for (const { line, payload } of given) {
    rows.add(line, payload, checkText(payload, compiled));
  }
  await writer.end();
}
