import { Injectable } from '@nestjs/common';
import { findDuplicateKey } from '../formats/json/json-members.js';
import { duplicateKeyError } from '../formats/record-reader.js';
import { WRONG_CELL_COUNT } from '../formats/table-rows.js';
import { EventLoopTurn } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import type { Transaction } from '../platform/database/database.service.js';
import { currentTraceparent, noteBatch } from '../platform/instrumentation.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, RowVerdict } from '../records/target.js';
import { type BatchControl, eventOf } from './batch-state.js';
import { BatchWriter } from './batch-writer.js';
import { hasEndpoints, insertBatchWebhooks, writeArrival } from './batches.sql.js';
import { deleteChunks, insertChunks, type QueuedChunk } from './chunks.sql.js';
import { hasWishes, insertControl, markCanary } from './control.sql.js';
import { ImportQueueBatchEntity, type UploadFindings } from './entities.js';
import { deletePreview } from './previews.sql.js';
import { RecordCollector } from './record-collector.js';
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
   * @returns the chunks that it queues, filled with the commit; they then need their jobs, from `ChunkScheduler.begin`
   */
  async save(
    transaction: Transaction,
    batch: ImportQueueBatchEntity,
    source: BatchSource,
    control: BatchControl,
    findings?: (rows: RecordCollector) => UploadFindings,
    isDryRun = false,
  ): Promise<QueuedChunk[]> {
    batch.status = 'receiving';
    batch.traceparent = currentTraceparent();
    const [hasReceivers] = await Promise.all([
      // No one is told of a dry run.
      isDryRun ? false : transaction.withNext(() => hasEndpoints(transaction)),
      transaction.manager.insert(ImportQueueBatchEntity, batch),
    ]);
    noteBatch(batch.id);
    await insertControl(transaction, batch.id, control);
    const { rows, last } = await this.write(transaction, batch.id, source);
    if (findings === undefined && control.canary !== null) {
      await markCanary(transaction, batch.id);
    }
    // The only chunk of a batch without wishes may run at once, whatever its import process says about the order.
    const queuesChunks = source.kind === 'body' && rows.chunkCount === 1 && !hasWishes(control);
    const upload = findings?.(rows);
    return arrive(transaction, batch, rows, { upload, isDryRun, queuesChunks, last, hasReceivers });
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
    const { rows, last } = await this.write(transaction, batchId, source);
    await Promise.all([insertChunks(transaction, batchId, rows.takeChunks()), last]);
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
  ): Promise<{ rows: RecordCollector; last: Promise<void> }> {
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
    // An object, because a promise that is returned by itself would be waited for.
    return { rows, last: writer.last };
  }
}

function countsOf({ totalCount, invalidCount, chunkCount }: RecordCollector) {
  return { totalCount, invalidCount, chunkCount };
}

interface ArrivalOptions {
  upload: UploadFindings | undefined;
  isDryRun: boolean;
  queuesChunks: boolean;
  /** The rows that are still to be sent. */
  last: Promise<void>;
  /** Whether webhooks may have to be stored. */
  hasReceivers: boolean;
}

/**
 * Makes the completely stored batch visible to the API and the workers, together with COMMIT. Answers the chunks that it
 * queues, which are known after that.
 */
function arrive(
  transaction: Transaction,
  batch: ImportQueueBatchEntity,
  rows: RecordCollector,
  { upload, isDryRun, queuesChunks, last, hasReceivers }: ArrivalOptions,
): QueuedChunk[] {
  const status = isDryRun ? 'validated' : upload === undefined ? 'queued' : 'awaiting_confirmation';
  const arrival = { status, upload, ...countsOf(rows) } as const;
  const event = eventOf(status);
  const events = ['batch.received' as const, ...(event === undefined ? [] : [event])];
  const next = status === 'queued' && queuesChunks ? 'queued' : 'pending';
  const queued: QueuedChunk[] = [];
  const stored = () =>
    Promise.all([
      last,
      insertChunks(transaction, batch.id, rows.takeChunks(), next).then((chunks) => queued.push(...chunks)),
      writeArrival(transaction, batch.id, arrival),
      hasReceivers ? insertBatchWebhooks(transaction, batch.id, events) : null,
    ]);
  transaction.withCommit(stored);
  Object.assign(batch, arrival);
  return queued;
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
