import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { storeBatch, UI_CREATION_PATH } from '../batches/batch-creation.js';
import { RecordCollector } from '../batches/record-collector.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { BatchFinisher } from '../processing/batch-finisher.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';

/** A row that a person wrote, or mended; `line` is where it was in what was sent first. */
export interface SubmittedRow {
  line: number;
  /** A JSON object, as text. */
  payload: string;
}

/** Takes a few rows in that somebody wrote in a page: by the same rules, into a batch like any other. */
@Injectable()
export class RowSubmissionService {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly importProcesses: ImportProcessesService,
    private readonly compiledProcesses: CompiledImportProcesses,
    private readonly scheduler: ChunkScheduler,
    private readonly finisher: BatchFinisher,
  ) {}

  /**
   * Answers the id of the batch, once it is durable.
   * @param rows one at least, in line order
   * @param retryOf the batch whose rows they were, if they come from one
   * @throws DomainError 404 `import_process_not_found`, 409 `import_process_disabled`, 403 `import_process_not_allowed`
   */
  async submit(
    importProcessId: number,
    fileName: string,
    rows: readonly SubmittedRow[],
    principal: Principal,
    retryOf: number | null = null,
  ): Promise<number> {
    assertMayUse(principal, importProcessId);
    const process = await this.importProcesses.pin(importProcessId);
    const { compiled } = await this.compiledProcesses.get(
      process.id,
      process.version,
      process.workflowVersion,
    );
    const collected = new RecordCollector(this.config.chunkSize);
    const batch = {
      fileName,
      process,
      creationPath: UI_CREATION_PATH,
      sendSuccessEmailTo: null,
      sendFailureEmailTo: null,
      createdBy: principal.id,
      retryOf,
    };
    const id = await this.database.transaction((transaction) =>
      storeBatch(transaction, batch, collected, async (writer) => {
        for (const { line, payload } of rows) {
          const { error, orderingKeys } = compiled.checkRow(JSON.parse(payload) as JsonObject, payload);
          collected.add(line, payload, error, orderingKeys);
        }
        await writer.end();
      }),
    );
    await this.scheduler.fill(id);
    await this.finisher.finishIfDone(id);
    return id;
  }
}
