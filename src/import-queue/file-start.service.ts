import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { assertUnlimited } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type StoredFile, UploadStore } from '../batches/upload-store.js';
import { selectArrivedFile } from '../batches/uploads.sql.js';
import type { ImportProcess } from '../import-processes/import-process.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import {
  type FileProposal,
  numbered,
  proposedImportProcess,
  proposedMapping,
  proposedWorkflow,
  proposeFor,
  workflowNameFrom,
} from '../import-processes/start/file-proposal.js';
import { type SurveyedFile, surveyFile, type SurveyOptions } from '../import-processes/start/file-survey.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { oneLine } from '../platform/wording.js';
import type { WorkflowDefinition } from '../workflows/definition.js';
import { WorkflowDefinitionsService } from '../workflows/definition/workflow-definitions.service.js';
import type { UploadDto } from './create-batch.dto.js';
import { startedFileNotFound } from './import-queue.errors.js';
import { asRefusal, decodedPieces } from './intake/body-intake.js';
import { openMultipartFile } from './intake/multipart-file.js';
import { UploadsService } from './uploads.service.js';

/** A file from which a file type is to be made. */
export interface StartedFile {
  fileName: string;
  file: StoredFile;
}

/** How a file was read, and what it is proposed to become. */
export interface ReadProposal extends FileProposal {
  fileName: string;
  survey: SurveyedFile;
}

export type StartOptions = Partial<Pick<SurveyOptions, 'headerRow' | 'sheet'>>;

const LONGEST_FILE_NAME = 255;
/** Names with a number at their end that are tried before a name counts as taken. */
const MOST_ATTEMPTS = 100;

/** Makes a workflow and an import process from a file, and checks the file with them. */
@Injectable()
export class FileStartService {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly store: UploadStore,
    private readonly uploads: UploadsService,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly importProcesses: ImportProcessesService,
  ) {}

  /**
   * Stores the file of a request. Without a batch it is deleted after a day.
   * @throws DomainError as Uploads does
   */
  async receive(request: IncomingMessage, principal: Principal, name?: string): Promise<StartedFile> {
    assertUnlimited(principal);
    const opened = await openMultipartFile(request, this.config.maxBodyBytes);
    const fileName = oneLine(name ?? opened.fileName ?? '', LONGEST_FILE_NAME) || 'file';
    const file = await this.store
      .receive(decodedPieces(opened.file, 'identity', this.config), { createdBy: principal.id, fileName })
      .catch((error: unknown) => {
        throw asRefusal(error, this.config);
      });
    return { fileName, file };
  }

  /** @throws DomainError 404 `started_file_not_found` if it is not the principal's, became a batch, or was deleted */
  async find(uploadId: string, principal: Principal): Promise<StartedFile> {
    assertUnlimited(principal);
    const found = await selectArrivedFile(this.database, uploadId, principal.id);
    if (found === null || found.batchId !== null) throw startedFileNotFound();
    return { fileName: found.fileName, file: await this.store.open(found) };
  }

  /** @throws DomainError if the file cannot be read */
  async propose({ fileName, file }: StartedFile, options: StartOptions = {}): Promise<ReadProposal> {
    const { maxLineBytes } = this.config;
    const survey = await surveyFile(file, { maxLineBytes, headerRow: null, sheet: null, ...options }).catch(
      (error: unknown) => {
        throw asRefusal(error, this.config);
      },
    );
    return { fileName, survey, ...proposeFor(fileName, survey) };
  }

  discard({ file }: StartedFile): Promise<void> {
    return this.store.discardUnlinked(file.uploadId);
  }

  /**
   * Creates the workflow and the import process, and checks the file with them. If a name is taken, a number follows it.
   * @throws DomainError 400 `invalid_definition`, and as Uploads does
   */
  async create(
    started: StartedFile,
    { name, fields }: FileProposal,
    { headerRow, sheet }: StartOptions,
    principal: Principal,
    mails: Pick<UploadDto, 'sendSuccessEmailTo' | 'sendFailureEmailTo'> = {},
  ): Promise<BatchResource> {
    const process = await this.createFileType(
      name,
      (title) => proposedWorkflow(title, fields),
      started,
      principal,
    );
    const dto = {
      ...mails,
      fileName: started.fileName,
      importProcessId: process.id,
      ...(headerRow != null && { headerRow: String(headerRow) }),
      ...(sheet != null && { sheet }),
    };
    return this.uploads.check(dto, started.file, JSON.stringify(proposedMapping(fields)), principal);
  }

  private async createFileType(
    name: string,
    workflowOf: (title: string) => WorkflowDefinition,
    { fileName }: StartedFile,
    principal: Principal,
  ): Promise<ImportProcess> {
    const workflows = new Set((await this.workflows.list()).map(({ definition }) => definition.name));
    const processes = new Set((await this.importProcesses.list()).map((process) => process.name));
    let taken: DomainError | undefined;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      const title = numbered(name, attempt);
      if (workflows.has(workflowNameFrom(title)) || processes.has(title)) continue;
      try {
        const { definition } = await this.workflows.create(workflowOf(title), principal.id);
        const input = proposedImportProcess(title, definition, `Created from the file ${fileName}.`);
        return await this.importProcesses.create(input, principal.id);
      } catch (error) {
        // Someone else took the name meanwhile.
        if (!(error instanceof DomainError) || error.status !== 409) throw error;
        taken = error;
      }
    }
    throw taken ?? new Error(`no number makes the name ${name} free`);
  }
}
