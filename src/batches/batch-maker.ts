import { Injectable } from '@nestjs/common';
import { WRONG_CELL_COUNT } from '../formats/csv/csv-reader.js';
import { findDuplicateKey } from '../formats/json/json-members.js';
import { duplicateKeyError } from '../formats/record-reader.js';
import { EventLoopTurn } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import type { Transaction } from '../platform/database/transaction.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, RowVerdict } from '../records/target.js';
import { assertCanBecome } from './batch-state.js';
import { BatchWriter } from './batch-writer.js';
import { ImportQueueBatchEntity } from './entities.js';
import { RecordCollector } from './record-collector.js';
import type { StoredRecord } from './records.sql.js';
import type { UploadFindings } from './upload-findings.js';

/** A body that is read, checked and collected while the transaction runs. */
interface ReceivedBody {
  readonly rows: RecordCollector;
  /** Writes what was collected and everything that still arrives. */
  writeAll(writer: BatchWriter): Promise<void>;
}

/** A row that a person wrote or fixed; `line` is where it was in what was sent first. */
export interface GivenRow {
  line: number;
  /** A JSON object, as text. */
  payload: string;
}

/** Where the records of a new batch come from. */
export type BatchSource =
  | { kind: 'body'; body: ReceivedBody }
  | {
      kind: 'stored rows';
      /** The next of them after a line, in line order, at most `limit`. */
      select: (afterLine: number, limit: number) => Promise<StoredRecord[]>;
      compiled: CompiledTarget;
    }
  | { kind: 'given rows'; rows: readonly GivenRow[]; compiled: CompiledTarget };

/** Records that are read at a time; bounds memory for any number of records. */
const PAGE_SIZE = 2000;

/** Stores new batches with their records and chunks. Every batch is made here, wherever its records come from. */
@Injectable()
export class BatchMaker {
  constructor(private readonly config: AppConfig) {}

  /**
   * Stores the batch with its records and chunks, all or nothing, inside the transaction. No one sees the batch before
   * the commit. Afterwards `batch` has its id, its counts and the status `queued`, or, with findings,
   * `awaiting_confirmation`.
   * @param findings how an uploaded file was read, asked for after all of it was read
   */
  async save(
    transaction: Transaction,
    batch: ImportQueueBatchEntity,
    source: BatchSource,
    findings?: (rows: RecordCollector) => UploadFindings,
  ): Promise<void> {
    batch.status = 'receiving';
    await transaction.manager.insert(ImportQueueBatchEntity, batch);
    const rows = source.kind === 'body' ? source.body.rows : new RecordCollector(this.config.chunkSize);
    const writer = new BatchWriter(transaction, batch.id, rows, (this.config.receiveIdleMs || Infinity) / 2);
    try {
      await writeRecords(source, rows, writer);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await arrive(transaction, batch, rows, findings?.(rows));
  }
}

/** The whole batch is stored: from here on it is what the API and the workers see. */
async function arrive(
  transaction: Transaction,
  batch: ImportQueueBatchEntity,
  { totalCount, invalidCount, chunkCount }: RecordCollector,
  upload: UploadFindings | undefined,
): Promise<void> {
  const status = upload === undefined ? 'queued' : 'awaiting_confirmation';
  assertCanBecome(batch.status, status);
  const arrival = { status, upload, totalCount, invalidCount, chunkCount } as const;
  const { affected } = await transaction.manager.update(
    ImportQueueBatchEntity,
    { id: batch.id, status: batch.status },
    arrival,
  );
  if (affected !== 1) throw new Error(`batch ${batch.id} is no longer ${batch.status}`);
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
      const { line, payload, originLine } = record;
      const { error, orderingKeys } = checkAgain(record, compiled);
      rows.add(line, payload, error, orderingKeys, originLine === undefined ? undefined : { originLine });
    }
    await writer.suspend();
    page = page.length < PAGE_SIZE ? [] : await select(page.at(-1)?.line ?? 0, PAGE_SIZE);
  }
  await writer.end();
}

/** A row of a file that was too short or too long stays refused, whatever its own columns would allow. */
function checkAgain(
  { payload, errorCode, errorMessage }: StoredRecord,
  compiled: CompiledTarget,
): RowVerdict {
  if (errorCode === WRONG_CELL_COUNT) {
    return { error: { code: errorCode, message: errorMessage ?? '' }, orderingKeys: [] };
  }
  return checkText(payload, compiled);
}

/** Checks a row that is stored or written as JSON text, as the intake checks one that arrives. */
function checkText(payload: string, compiled: CompiledTarget): RowVerdict {
  const row = JSON.parse(payload) as JsonObject;
  const duplicate = findDuplicateKey(payload, row);
  if (duplicate !== null) return { error: duplicateKeyError(duplicate), orderingKeys: [] };
  return compiled.checkRow(row, payload);
}

async function writeGivenRows(
  given: readonly GivenRow[],
  compiled: CompiledTarget,
  rows: RecordCollector,
  writer: BatchWriter,
): Promise<void> {
  for (const { line, payload } of given) {
    const { error, orderingKeys } = checkText(payload, compiled);
    rows.add(line, payload, error, orderingKeys);
  }
  await writer.end();
}
