import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { maySetDefaults } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, mailAddresses, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { assertMayReceiveMail } from '../delivery/mailer.js';
import { UploadReader } from '../formats/upload-reader.js';
import { savedMapping } from '../import-processes/import-process-columns.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { AdmissionService } from './admission.service.js';
import { BodyIntake } from './intake/body-intake.js';
import { type MultipartFile, openMultipartFile } from './intake/multipart-file.js';
import { PreviewService } from './preview.service.js';
import { findColumns, knownColumns } from './upload-columns.js';
import { delimiterOf, encodingOf, readMapping, type UploadDto } from './upload.dto.js';

/** Receives files through the same intake as CreateBatch; nothing is processed until a user confirms the upload. */
@Injectable()
export class UploadsService {
  constructor(
    private readonly config: AppConfig,
    private readonly admission: AdmissionService,
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly reader: BatchReader,
    private readonly previews: PreviewService,
  ) {}

  /**
   * Answers once the file is durable in PostgreSQL and awaits confirmation. A refused call stored nothing.
   * @throws DomainError as CreateBatch does, and also for files that are neither CSV nor JSON Lines
   */
  async upload(dto: UploadDto, request: IncomingMessage, principal: Principal): Promise<BatchResource> {
    return this.take(dto, () => this.open(request), principal);
  }

  /** @throws DomainError as `openMultipartFile` does */
  open(request: IncomingMessage): Promise<MultipartFile> {
    return openMultipartFile(request, this.config.maxBodyBytes);
  }

  /** Like `upload`, for a file that may already be open. */
  async take(
    dto: UploadDto,
    open: () => Promise<MultipartFile>,
    principal: Principal,
  ): Promise<BatchResource> {
    assertMayReceiveMail(this.config, mailAddresses(dto));
    await this.admission.assertRoomForUnconfirmed(principal);
    const { pinned, compiled } = await this.processes.forNewBatch(dto.importProcessId, principal);
    const { fields, file } = await open();
    const given = readMapping(fields.get('mapping') ?? dto.mapping);
    const saved = await savedMapping(this.database, pinned.id);
    const reader = new UploadReader({
      maxLineBytes: this.config.maxLineBytes,
      delimiter: delimiterOf(dto.delimiter),
      encoding: encodingOf(dto.encoding),
      apostrophes: dto.apostrophes ?? 'remove',
      emptyCells: dto.emptyCells ?? 'keep',
      knownColumns: knownColumns(compiled.columns),
      mapping: new Map([...saved, ...given]),
    });
    const intake = new BodyIntake(file, 'identity', this.config, this.config.chunkSize, compiled, {
      hashed: false,
      reader,
      quota: this.admission.quotaOf(principal),
    });
    await intake.collectFirst();
    const id = await this.admission.whileReceiving(intake, principal, () =>
      intake.storing(() =>
        this.database.transaction(async (transaction) => {
          const batch = transaction.manager.create(ImportQueueBatchEntity, {
            fileName: dto.fileName,
            creationPath: UI_CREATION_PATH,
            createdBy: principal.id,
            ...pinnedTo(pinned),
            ...mailAddresses(dto),
          });
          await this.maker.save(transaction, batch, { kind: 'body', body: intake }, ({ errorGroups }) => ({
            understood: reader.understood(),
            columns: findColumns(reader.understood(), compiled.columns),
            errorGroups: errorGroups.all(),
            emptyCells: reader.emptyCells,
            mapping: maySetDefaults(principal) ? [...given] : [],
          }));
          return batch.id;
        }),
      ),
    );
    await this.previews.prepare(id);
    return this.reader.get(id, principal);
  }
}
