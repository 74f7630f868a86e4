import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { type NewBatch, storeBatch, UI_CREATION_PATH } from '../batches/batch-creation.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import type { UploadFindings } from '../batches/upload-findings.js';
import { UploadReader } from '../formats/upload-reader.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { savedMapping } from '../import-processes/import-process-columns.sql.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { AdmissionService } from './admission.service.js';
import { BodyIntake, MalformedMidwayError } from './intake/body-intake.js';
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
    private readonly importProcesses: ImportProcessesService,
    private readonly compiledProcesses: CompiledImportProcesses,
    private readonly reader: BatchReader,
    private readonly previews: PreviewService,
  ) {}

  /**
   * Answers once the file is durable in PostgreSQL and awaits confirmation. A refused call stored nothing.
   * @throws DomainError as CreateBatch does, and for files that are neither CSV nor JSON Lines
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
    assertMayUse(principal, dto.importProcessId);
    const { delimiter, encoding } = {
      delimiter: delimiterOf(dto.delimiter),
      encoding: encodingOf(dto.encoding),
    };
    const process = await this.importProcesses.pin(dto.importProcessId);
    const { compiled } = await this.compiledProcesses.get(
      process.id,
      process.version,
      process.workflowVersion,
    );
    const { fields, file } = await open();
    const given = readMapping(fields.get('mapping') ?? dto.mapping);
    const saved = await savedMapping(this.database, process.id);
    const { maxLineBytes, chunkSize } = this.config;
    const options = { maxLineBytes, delimiter, encoding, knownColumns: knownColumns(compiled.columns) };
    const reader = new UploadReader({ ...options, mapping: new Map([...saved, ...given]) });
    const intake = new BodyIntake(file, 'identity', this.config, chunkSize, compiled, {
      hashed: false,
      reader,
    });
    const batch: NewBatch = {
      fileName: dto.fileName,
      process,
      creationPath: UI_CREATION_PATH,
      sendSuccessEmailTo: dto.sendSuccessEmailTo ?? null,
      sendFailureEmailTo: dto.sendFailureEmailTo ?? null,
      createdBy: principal.id,
      retryOf: null,
    };
    const findings = (): UploadFindings => ({
      understood: reader.understood(),
      columns: findColumns(reader.understood(), compiled.columns),
      errorGroups: intake.rows.errorGroups.all(),
      mapping: [...given],
    });
    const id = await this.store(batch, intake, findings);
    await this.previews.prepare(id);
    return this.reader.get(id, principal);
  }

  private async store(batch: NewBatch, intake: BodyIntake, findings: () => UploadFindings): Promise<number> {
    await intake.collectFirst();
    return this.admission.whileReceiving(intake, () => this.storeCollected(batch, intake, findings));
  }

  private storeCollected(
    batch: NewBatch,
    intake: BodyIntake,
    findings: () => UploadFindings,
  ): Promise<number> {
    return this.database
      .transaction((transaction) =>
        storeBatch(
          transaction,
          batch,
          intake.rows,
          (writer) => intake.writeAll(writer),
          () => ({ status: 'awaiting_confirmation', upload: findings() }),
        ),
      )
      .catch((error: unknown) => {
        if (error instanceof MalformedMidwayError) return intake.refuseMalformed();
        throw error;
      });
  }
}
