import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { maySetDefaults } from '../auth/access.js';
import type { RequestHash } from '../auth/idempotency.js';
import type { Principal } from '../auth/principal.js';
import { apiCreationPath, BatchMaker, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { controlOf, mailAddresses } from '../batches/batch-state.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectSentRecords } from '../batches/record-pages.sql.js';
import { type StoredFile, UploadStore } from '../batches/upload-store.js';
import { type ArrivedFile, linkUpload, selectArrivedFile } from '../batches/uploads.sql.js';
import { assertMayReceiveMail } from '../delivery/mailer.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { readingOf } from '../import-processes/reading.dto.js';
import { selectMappings } from '../import-processes/saved-mappings.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { AdmissionService } from './admission.service.js';
import { metadataOf, readControl, type UploadDto } from './create-batch.dto.js';
import { startedFileNotFound } from './import-queue.errors.js';
import { asRefusal, decodedPieces } from './intake/body-intake.js';
import { type MultipartFile, type MultipartRequest, openMultipartFile } from './intake/multipart-file.js';
import { PreviewService } from './preview.service.js';
import { keepDecisions, prepareRows } from './upload-rows.js';

/** Called in the transaction that makes the batch, with the answer to keep, so that no upload makes two batches. */
export type SealUpload = (
  transaction: Transaction,
  batchId: number,
  answer: JsonObject | null,
) => Promise<void>;

/** SHA-256 over the parameters, the fields and the file of an upload; the boundaries of its form do not count. */
export class UploadHash implements RequestHash {
  private readonly hash = createHash('sha256');
  private digest: Buffer | null = null;

  constructor(
    private readonly dto: UploadDto,
    private readonly config: AppConfig,
    private readonly open: () => Promise<MultipartFile>,
  ) {}

  async *reading(
    fields: ReadonlyMap<string, string>,
    pieces: AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer, void, undefined> {
    this.hash.update(JSON.stringify(['Uploads', Object.entries(this.dto).sort(), [...fields].sort()]));
    for await (const piece of pieces) {
      this.hash.update(piece);
      yield piece;
    }
  }

  ofRead(): Buffer {
    return (this.digest ??= this.hash.digest());
  }

  async ofUnread(): Promise<Buffer> {
    try {
      const { fields, file } = await this.open();
      for await (const piece of this.reading(fields, decodedPieces(file, 'identity', this.config)))
        void piece;
      return this.ofRead();
    } catch (error) {
      throw asRefusal(error, this.config);
    }
  }
}

/** Receives files; nothing is processed until a user confirms the upload. */
@Injectable()
export class UploadsService {
  constructor(
    private readonly config: AppConfig,
    private readonly admission: AdmissionService,
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly store: UploadStore,
    private readonly maker: BatchMaker,
    private readonly reader: BatchReader,
    private readonly previews: PreviewService,
  ) {}

  /**
   * Answers once the file is durable in PostgreSQL and awaits confirmation. A refused call stored nothing.
   * @throws DomainError as CreateBatch does, and also for files that cannot be read
   */
  async upload(
    dto: UploadDto,
    request: MultipartRequest,
    principal: Principal,
    { seal, hash }: { seal?: SealUpload; hash?: UploadHash } = {},
  ): Promise<BatchResource> {
    return this.take(dto, () => this.open(request), principal, { seal, hash });
  }

  /** What an Idempotency-Key of the upload stands for. */
  hashOf(dto: UploadDto, request: MultipartRequest): UploadHash {
    return new UploadHash(dto, this.config, () => this.open(request));
  }

  /** @throws DomainError as `openMultipartFile` does */
  open(request: MultipartRequest): Promise<MultipartFile> {
    return openMultipartFile(request, this.config.maxBodyBytes);
  }

  /** Like `upload`, for a file that may already be open. */
  async take(
    dto: UploadDto,
    open: () => Promise<MultipartFile>,
    principal: Principal,
    { seal, hash }: { seal?: SealUpload | undefined; hash?: UploadHash | undefined } = {},
  ): Promise<BatchResource> {
    const { config } = this;
    // Refused before the file arrives.
    await this.assertMayUpload(dto, principal);
    const { fields, file } = await open();
    const pieces = decodedPieces(file, 'identity', config);
    const stored = await this.store
      .receive(hash === undefined ? pieces : hash.reading(fields, pieces), {
        createdBy: principal.id,
        fileName: dto.fileName,
      })
      .catch((error: unknown) => {
        throw asRefusal(error, config);
      });
    return this.check(dto, stored, fields.get('mapping'), principal, seal);
  }

  /** A file that arrived in several requests. @throws DomainError 404 `started_file_not_found` */
  async arrived(token: string, principal: Principal): Promise<ArrivedFile> {
    const found = await selectArrivedFile(this.database, token, principal.id);
    if (found === null) throw startedFileNotFound();
    return found;
  }

  /**
   * Makes a batch of a file that arrived in several requests. A file makes one batch, however often a page asks for it.
   * @returns the id of the batch
   * @throws DomainError as `upload` does
   */
  async takeArrived(
    dto: UploadDto,
    { id, size, batchId }: ArrivedFile,
    principal: Principal,
  ): Promise<number> {
    if (batchId !== null) return batchId;
    await this.assertMayUpload(dto, principal);
    try {
      const file = await this.store.open({ id, size });
      const batch = await this.check(dto, file, undefined, principal);
      return batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    } catch (error) {
      const now = await selectArrivedFile(this.database, id, principal.id);
      if (now === null || now.batchId === null) throw error;
      return now.batchId;
    }
  }

  private async assertMayUpload(dto: UploadDto, principal: Principal): Promise<void> {
    readControl(dto);
    assertMayReceiveMail(this.config, mailAddresses(dto));
    await this.admission.assertRoomForUnconfirmed(principal);
    await this.processes.forNewBatch(dto.importProcessId, principal);
  }

  /**
   * Makes a batch that awaits confirmation from a file that has arrived. If it is refused, the file is deleted.
   * @param mapping as JSON; replaces that of the query
   */
  async check(
    dto: UploadDto,
    stored: StoredFile,
    mapping: string | undefined,
    principal: Principal,
    seal?: SealUpload,
  ): Promise<BatchResource> {
    const { config } = this;
    try {
      const { pinned, compiled } = await this.processes.forNewBatch(dto.importProcessId, principal);
      const reading = readingOf({ ...dto, mapping: mapping ?? dto.mapping });
      const saved = await selectMappings(this.database, pinned.id);
      const rows = await prepareRows({
        ...{ file: stored, reading, saved, compiled, limits: config, chunkSize: config.chunkSize },
        quota: this.admission.quotaOf(principal),
        sentRecords: (batchId, lines) => selectSentRecords(this.database, pinned.id, batchId, lines),
      });
      // A file that is not in memory is read through a second connection while the transaction runs.
      const id = await this.admission.whileReceiving({ complete: stored.isInMemory }, principal, () =>
        rows.storing(() =>
          this.database.transaction(async (transaction) => {
            const batch = transaction.manager.create(ImportQueueBatchEntity, {
              fileName: dto.fileName,
              creationPath:
                dto.creationPath === undefined ? UI_CREATION_PATH : apiCreationPath(dto.creationPath),
              createdBy: principal.id,
              metadata: metadataOf(dto),
              ...pinnedTo(pinned),
              ...mailAddresses(dto),
            });
            const control = controlOf(pinned, readControl(dto));
            await this.maker.save(transaction, batch, rows.source, control, rows.findings);
            if (!(await linkUpload(transaction, stored.uploadId, batch.id))) throw startedFileNotFound();
            await seal?.(transaction, batch.id, null);
            if (maySetDefaults(principal)) {
              const file = { importProcessId: pinned.id, fileName: dto.fileName, readBy: principal.id };
              await keepDecisions(transaction, file, rows, reading);
            }
            return batch.id;
          }),
        ),
      );
      await this.previews.prepare(id);
      return await this.reader.get(id, principal);
    } catch (error) {
      await this.store.discardUnlinked(stored.uploadId);
      throw error;
    }
  }
}
