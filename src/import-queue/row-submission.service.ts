import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, type GivenRow, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { controlOf } from '../batches/batch-state.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';

/** Creates a batch from a few rows that a user wrote on a page. The same rules apply as for all other batches. */
@Injectable()
export class RowSubmissionService {
  constructor(
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly scheduler: ChunkScheduler,
  ) {}

  /**
   * Answers the id of the batch once it is durable.
   * @param rows at least one, in line order
   * @param retryOf the batch that the rows come from, if any
   * @throws DomainError 404 `import_process_not_found`, 409 `import_process_disabled`, 403 `import_process_not_allowed`
   */
  async submit(
    importProcessId: number,
    fileName: string,
    rows: readonly GivenRow[],
    principal: Principal,
    retryOf: number | null = null,
  ): Promise<number> {
    const { pinned, compiled } = await this.processes.forNewBatch(importProcessId, principal);
    const id = await this.database.transaction(async (transaction) => {
      const batch = transaction.manager.create(ImportQueueBatchEntity, {
        fileName,
        creationPath: UI_CREATION_PATH,
        createdBy: principal.id,
        retryOf,
        ...pinnedTo(pinned),
      });
      await this.maker.save(
        transaction,
        batch,
        { kind: 'given rows', rows, compiled },
        controlOf(pinned, {}),
      );
      return batch.id;
    });
    await this.scheduler.advance(id);
    return id;
  }
}
