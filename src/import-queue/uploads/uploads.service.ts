import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/assert-may-use.js';
import type { Principal } from '../../auth/principal.js';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { CompiledImportProcesses } from '../../import-processes/compiled-import-processes.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { AdmissionService } from '../admission/admission.service.js';
import { storeBatch, type NewBatch } from '../batch-creation.js';
import { UI_CREATION_PATH } from '../creation-path.js';
import type { UploadDto } from '../dto/upload.dto.js';
import { BodyIntake, MalformedMidwayError } from '../intake/body-intake.js';
import { UploadReader } from '../intake/upload-reader.js';
import { PreviewService } from '../preview/preview.service.js';
import { BatchReader } from '../results/batch-reader.js';
import type { BatchResource } from '../results/batch-resource.js';
import type { UploadFindings } from '../upload-findings.js';
import { findColumns, knownColumns } from './column-findings.js';
import { openMultipartFile, type MultipartFile } from './multipart-file.js';
import { savedMapping } from './saved-mapping.js';
import { delimiterOf, encodingOf, readMapping } from './upload-parameters.js';

/** Takes files in through the same intake as CreateBatch; nothing of them is processed until somebody confirms. */
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
   * Answers once the file is durable in PostgreSQL, awaiting confirmation; whatever is refused stored nothing.
   * @throws DomainError as CreateBatch does, and for files that are neither CSV nor JSON Lines
   */
  async upload(dto: UploadDto, request: IncomingMessage, principal: Principal): Promise<BatchResource> {
    return this.take(dto, () => this.open(request), principal);
  }

  /** @throws DomainError as `openMultipartFile` does */
  open(request: IncomingMessage): Promise<MultipartFile> {
    return openMultipartFile(request, this.config.maxBodyBytes);
  }

  /** The same, of a file that may be opened already. */
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
