import type { Transaction } from '../platform/database/transaction.js';
import { BatchWriter } from './batch-writer.js';
import { ImportQueueBatchEntity } from './entities.js';
import type { RecordCollector } from './record-collector.js';
import type { UploadFindings } from './upload-findings.js';

/** Who made a batch, as `IMPORT_QUEUE_BATCH.CREATION_PATH` says it. */
export const API_CREATION_PATH = 'IMPORT_QUEUE_API';
export const UI_CREATION_PATH = 'IMPORT_QUEUE_UI';
export const RETRY_CREATION_PATH = 'IMPORT_QUEUE_RETRY';

/** The stored value of a batch made by the API: `IMPORT_QUEUE_API:LH` for `LH`, the bare prefix where none was given. */
export function apiCreationPath(given: string | undefined): string {
  return given === undefined ? API_CREATION_PATH : `${API_CREATION_PATH}:${given}`;
}

/** The import process of a batch, in the version that all of its records are processed by. */
export interface BatchProcess {
  id: number;
  version: number;
  workflowVersion: number | null;
}

/** A batch without its records. */
export interface NewBatch {
  fileName: string;
  process: BatchProcess;
  creationPath: string;
  sendSuccessEmailTo: string | null;
  sendFailureEmailTo: string | null;
  createdBy: string;
  retryOf: number | null;
}

/** How a batch stands once all of it is stored. */
export interface BatchArrival {
  status: 'queued' | 'awaiting_confirmation';
  upload?: UploadFindings;
}

const QUEUED: BatchArrival = { status: 'queued' };

/**
 * Stores a batch with its records and chunks, all or nothing, inside the given transaction. `fill` collects into
 * `rows` and lets the writer write; afterwards the batch is as `arrival` says. Nobody sees it before the commit.
 * @returns the id of the batch
 */
export async function storeBatch(
  transaction: Transaction,
  batch: NewBatch,
  rows: RecordCollector,
  fill: (writer: BatchWriter, batchId: number) => Promise<void>,
  arrival: () => BatchArrival = () => QUEUED,
): Promise<number> {
  const { manager } = transaction;
  const { process, ...stated } = batch;
  const entity = manager.create(ImportQueueBatchEntity, {
    ...stated,
    importProcessId: process.id,
    importProcessVersion: process.version,
    workflowVersion: process.workflowVersion,
    status: 'receiving',
  });
  await manager.insert(ImportQueueBatchEntity, entity);

  const writer = new BatchWriter(transaction, entity.id, rows);
  try {
    await fill(writer, entity.id);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  await manager.update(ImportQueueBatchEntity, entity.id, {
    ...arrival(),
    totalCount: rows.totalCount,
    invalidCount: rows.invalidCount,
    chunkCount: rows.chunkCount,
  });
  return entity.id;
}
