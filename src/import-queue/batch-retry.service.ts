import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { RETRY_CREATION_PATH, storeBatch } from '../batches/batch-creation.js';
import { batchExpired, batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type BatchStatus, isTerminal } from '../batches/batch-state.js';
import { lockParent, selectRetry } from '../batches/batches.sql.js';
import { RecordCollector } from '../batches/record-collector.js';
import { selectFailedLines } from '../batches/records.sql.js';
import { copyStoredRecords } from '../batches/stored-records-copier.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { BatchFinisher } from '../processing/batch-finisher.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';

/** Sends the failed records of an ended batch again, as a new batch; the parent never changes. */
@Injectable()
export class BatchRetryService {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly importProcesses: ImportProcessesService,
    private readonly compiledProcesses: CompiledImportProcesses,
    private readonly scheduler: ChunkScheduler,
    private readonly finisher: BatchFinisher,
  ) {}

  /**
   * The child: records that failed, were invalid or unknown, under their own line numbers, checked by the import
   * process as it is now (it may have been mended since). A parent has one child at a time: asked again, the answer
   * is that child.
   * @throws DomainError 404 `batch_not_found`, 409 `state_conflict` when the batch has not ended or nothing failed,
   *   410 `batch_expired`
   */
  async retryFailed(parentId: number, principal: Principal): Promise<BatchResource> {
    const parent = await this.reader.get(parentId, principal);
    // Before the import process is asked whether it takes anything: it may have been disabled since.
    const earlier = await selectRetry(this.database, parentId);
    if (earlier !== null) return this.reader.get(earlier, principal);
    const process = await this.importProcesses.pin(parent.importProcessId);
    const { compiled } = await this.compiledProcesses.get(
      process.id,
      process.version,
      process.workflowVersion,
    );

    const childId = await this.database.transaction(async (transaction) => {
      const locked = await lockParent(transaction, parentId);
      if (locked === undefined) throw batchNotFound(parentId);
      const { status, expiredAt, childId, sendSuccessEmailTo, sendFailureEmailTo } = locked;
      if (childId !== null) return childId;
      if (expiredAt !== null) throw batchExpired(parentId, expiredAt);
      if (!isTerminal(status)) throw nothingToRetry(parentId, status);
      const rows = new RecordCollector(this.config.chunkSize);
      const id = await storeBatch(
        transaction,
        {
          fileName: parent.fileName,
          process,
          creationPath: RETRY_CREATION_PATH,
          sendSuccessEmailTo,
          sendFailureEmailTo,
          createdBy: principal.id,
          retryOf: parentId,
        },
        rows,
        (writer) =>
          copyStoredRecords(
            (after, limit) => selectFailedLines(transaction, parentId, after, limit),
            compiled,
            rows,
            writer,
          ),
      );
      // What was stored is rolled back with the refusal.
      if (rows.totalCount === 0) throw nothingToRetry(parentId, status);
      const subject = `batch:${parentId}`;
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'batch_retried',
        subject,
        details: { child: id },
      });
      return id;
    });
    await this.scheduler.fill(childId);
    await this.finisher.finishIfDone(childId);
    return this.reader.get(childId, principal);
  }
}

function nothingToRetry(batchId: number, status: BatchStatus): DomainError {
  const reason = isTerminal(status)
    ? 'no record of it failed or was invalid'
    : `it is ${status}; wait until it has ended, or cancel it`;
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `The failed records of batch ${batchId} cannot be sent again: ${reason}.`,
    { extensions: { currentStatus: status } },
  );
}
