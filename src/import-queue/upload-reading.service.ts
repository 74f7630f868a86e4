import { Injectable } from '@nestjs/common';
import { assertMayPrepare, maySetDefaults } from '../auth/access.js';
import { permissionDenied } from '../auth/auth.errors.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, pinnedTo } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { selectSentRecords } from '../batches/record-pages.sql.js';
import { UploadStore } from '../batches/upload-store.js';
import {
  claimLostReading,
  endReading,
  lockUpload,
  markReading,
  renewReading,
  selectUploadOfBatch,
} from '../batches/uploads.sql.js';
import { DEFAULT_READING, type Reading } from '../formats/reading.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { type ReadDto, readingOf } from '../import-processes/reading.dto.js';
import { SavedMappingsService } from '../import-processes/saved-mappings.service.js';
import { selectMappings } from '../import-processes/saved-mappings.sql.js';
import { WorkLoop } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { holdLock } from '../platform/database/advisory-locks.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError, errorStack } from '../platform/errors.js';
import { AdmissionService } from './admission.service.js';
import { beingRead, fileNotStored, notAnUpload } from './import-queue.errors.js';
import { PreviewService } from './preview.service.js';
import { keepDecisions, mappingToSave, prepareRows } from './upload-rows.js';

/** A file of at most this size is read before the answer; a larger one in the background. */
const READ_AT_ONCE = 8 * 1024 * 1024;
const SIGN_OF_LIFE_MS = 5_000;
const LOOK_FOR_LOST_MS = 30_000;

/** One reading of a stored file. */
interface ReadingRun {
  batchId: number;
  uploadId: string;
  size: number;
  reading: Reading;
  /** Id of the principal who chose the reading. */
  readBy: string;
  /** Whether what they decided about columns becomes the default. */
  setsDefaults: boolean;
}

/**
 * Reads the stored file of an upload again, in another way. The batch keeps its id; its records, counts and preview are
 * replaced in one transaction, so that a file that cannot be read in that way changes nothing. As a loop, it continues
 * readings whose process has died.
 */
@Injectable()
export class UploadReadingService extends WorkLoop {
  constructor(
    private readonly config: AppConfig,
    private readonly admission: AdmissionService,
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly store: UploadStore,
    private readonly maker: BatchMaker,
    private readonly reader: BatchReader,
    private readonly previews: PreviewService,
    private readonly mappings: SavedMappingsService,
  ) {
    super({
      intervalMs: LOOK_FOR_LOST_MS,
      begins: 'after a pause',
      failure: 'a file could not be read again',
    });
  }

  /**
   * Answers the batch: with its new summary if the file is small, else while the file is being read.
   * @param choices called once the principal may read the file again
   * @throws DomainError 404 `batch_not_found`; 403; 409 `state_conflict` unless the batch awaits confirmation, its file
   *   is stored and is not being read; 400 if the file cannot be read in this way
   */
  async read(batchId: number, choices: () => ReadDto, principal: Principal): Promise<BatchResource> {
    const batch = await this.reader.row(batchId);
    assertMayPrepare(principal, batch);
    const run = await this.begin(batchId, choices(), principal);
    const done = this.run(run);
    if (run.size <= READ_AT_ONCE) await done;
    else done.catch((error: unknown) => this.fail(run, error));
    return this.reader.get(batchId, principal);
  }

  /**
   * Saves how the file of an upload was read, for later files with its columns, and reads it with what was saved.
   * @throws DomainError 403 unless the principal may set defaults; 400 `invalid_mapping`; 409 `too_many_mappings`; as
   *   `read`
   */
  async saveMapping(batchId: number, given: { name: string }, principal: Principal): Promise<void> {
    const batch = await this.reader.row(batchId);
    assertMayPrepare(principal, batch);
    if (!maySetDefaults(principal)) throw permissionDenied(['ManageImports', 'Configure']);
    const { importProcessId } = batch;
    const mapping = await this.database.transaction(async (transaction) => {
      const locked = await lockUpload(transaction, batchId);
      if (locked?.status !== 'awaiting_confirmation' || locked.upload?.understood.columns == null) {
        throw notAnUpload(batchId, locked?.status);
      }
      const { understood, reading } = locked.upload;
      const present = await selectMappings(transaction, importProcessId);
      const applied = present.find(({ name }) => name === understood.savedMapping);
      return mappingToSave(given.name, understood, readingOf({}, reading), applied ?? null);
    });
    await this.mappings.save(importProcessId, { mapping, actor: principal.id });
    await this.read(batchId, () => ({ mapping: mapping.name }), principal);
  }

  private begin(batchId: number, choices: ReadDto, principal: Principal): Promise<ReadingRun> {
    return this.database.transaction(async (transaction) => {
      const batch = await lockUpload(transaction, batchId);
      if (batch?.status !== 'awaiting_confirmation' || batch.upload === null) {
        throw notAnUpload(batchId, batch?.status);
      }
      const stored = await selectUploadOfBatch(transaction, batchId);
      if (stored === null) throw fileNotStored(batchId);
      if (stored.isBeingRead) throw beingRead(batchId);
      const reading = readingOf(choices, batch.upload.reading ?? DEFAULT_READING);
      const decides = choices.mapping !== undefined || choices.constants !== undefined;
      const setsDefaults = decides && typeof choices.mapping !== 'string' && maySetDefaults(principal);
      await markReading(transaction, stored.id, {
        reading: { ...reading, setsDefaults },
        readBy: principal.id,
      });
      const { id: uploadId, size } = stored;
      return { batchId, uploadId, size, reading, readBy: principal.id, setsDefaults };
    });
  }

  private async run(run: ReadingRun): Promise<void> {
    let rows = 0;
    const alive = setInterval(() => {
      renewReading(this.database, run.uploadId, rows).catch((error: unknown) => {
        this.logger.warn(`The reading of batch ${run.batchId} shows no sign of life: ${String(error)}`);
      });
    }, SIGN_OF_LIFE_MS).unref();
    try {
      await this.replace(run, (records) => (rows = records));
    } catch (error) {
      await endReading(this.database, run.uploadId, failureOf(run, error));
      throw error;
    } finally {
      clearInterval(alive);
    }
    await this.previews.prepare(run.batchId);
  }

  private async replace(run: ReadingRun, progress: (records: number) => void): Promise<void> {
    const { batchId, uploadId, size, reading } = run;
    const { importProcessId, fileName } = await this.reader.row(batchId);
    const { pinned, compiled } = await this.processes.current(importProcessId);
    const file = await this.store.open({ id: uploadId, size });
    const rows = await prepareRows({
      ...{ file, reading, compiled, progress },
      saved: await selectMappings(this.database, importProcessId),
      ...{ limits: this.config, chunkSize: this.config.chunkSize },
      // The records were counted when the file was uploaded.
      quota: () => Promise.resolve(),
      sentRecords: (origin, lines) => selectSentRecords(this.database, importProcessId, origin, lines),
    });
    await this.admission.whileReceiving({ complete: file.isInMemory }, { id: run.readBy }, () =>
      rows.storing(() =>
        this.database.transaction(async (transaction) => {
          const batch = await lockUpload(transaction, batchId);
          if (batch?.status !== 'awaiting_confirmation') throw notAnUpload(batchId, batch?.status);
          // A preview that is under way would store the effects of the records that are deleted here.
          await holdLock(transaction, 'preview', batchId);
          await this.maker.replace(transaction, batchId, pinnedTo(pinned), rows.source, rows.findings);
          if (run.setsDefaults) {
            await keepDecisions(
              transaction,
              { importProcessId, fileName, readBy: run.readBy },
              rows,
              reading,
            );
          }
          await endReading(transaction, uploadId, null);
        }),
      ),
    );
  }

  /** Continues the readings of processes that have died. */
  protected override async pass(): Promise<void> {
    for (let lost = await claimLostReading(this.database); lost !== null && !this.stopSignal.aborted;) {
      const { uploadId, batchId, size, readBy } = lost;
      const { setsDefaults, ...choices } = lost.reading;
      const reading = { ...DEFAULT_READING, ...(choices as Partial<Reading>) };
      const run = { batchId, uploadId, size, reading, readBy, setsDefaults: setsDefaults === true };
      await this.run(run).catch((error: unknown) => this.fail(run, error));
      lost = await claimLostReading(this.database);
    }
  }

  private fail({ batchId }: ReadingRun, error: unknown): void {
    // The batch shows why; only a fault of the program is worth a log entry.
    if (error instanceof DomainError) return;
    this.logger.error({ message: 'a file could not be read again', batchId }, errorStack(error));
  }
}

/** A small file answers with the error itself. */
function failureOf({ size }: ReadingRun, error: unknown): string | null {
  if (size <= READ_AT_ONCE) return null;
  return error instanceof DomainError
    ? error.message
    : 'The file could not be read because of an internal error.';
}
