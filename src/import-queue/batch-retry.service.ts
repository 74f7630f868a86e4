import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, mailAddresses, pinnedTo, RETRY_CREATION_PATH } from '../batches/batch-maker.js';
import { batchExpired, batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type BatchStatus, isTerminal } from '../batches/batch-state.js';
import { lockParent, selectRetry } from '../batches/batches.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectFailedLines } from '../batches/records.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';

/** Sends the failed records of an ended batch again, as a new batch; the parent never changes. */
@Injectable()
export class BatchRetryService {
  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly scheduler: ChunkScheduler,
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
    const { pinned, compiled } = await this.processes.forNewBatch(parent.importProcessId, principal);
    const childId = await this.database.transaction(async (transaction) => {
      const locked = await lockParent(transaction, parentId);
      if (locked === undefined) throw batchNotFound(parentId);
      const { status, expiredAt } = locked;
      if (locked.childId !== null) return locked.childId;
      if (expiredAt !== null) throw batchExpired(parentId, expiredAt);
      if (!isTerminal(status)) throw nothingToRetry(parentId, status);
      const child = transaction.manager.create(ImportQueueBatchEntity, {
        fileName: parent.fileName,
        creationPath: RETRY_CREATION_PATH,
        createdBy: principal.id,
        retryOf: parentId,
        ...pinnedTo(pinned),
        ...mailAddresses(locked),
      });
      const select = (after: number, limit: number) => selectFailedLines(transaction, parentId, after, limit);
      await this.maker.save(transaction, child, { kind: 'stored rows', select, compiled });
      // The refusal rolls back what was stored.
      if (child.totalCount === 0) throw nothingToRetry(parentId, status);
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'batch_retried',
        subject: `batch:${parentId}`,
        details: { child: child.id },
      });
      return child.id;
    });
    await this.scheduler.advance(childId);
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
