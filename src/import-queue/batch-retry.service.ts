import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, pinnedTo } from '../batches/batch-maker.js';
import { batchExpired, batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import {
  type BatchStatus,
  controlOf,
  isTerminal,
  mailAddresses,
  RETRY_CREATION_PATH,
} from '../batches/batch-state.js';
import { lockParent, selectRetry } from '../batches/batches.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectNextRecords } from '../batches/record-pages.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { RESENDABLE, type RecordStatus } from '../records/record-status.js';
import { undoCannotBeSentAgain } from './import-queue.errors.js';

/** Retries the failed records of an ended batch in a new batch. The parent never changes. */
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
   * Creates the child: the records that failed or were invalid, with their original line numbers. The current
   * version of the import process checks them, because it may have been fixed since. A parent has one child at a time:
   * a repeated call answers the same child.
   * @param statuses the records to send
   * @throws DomainError 404 `batch_not_found`, 409 `state_conflict` if the batch has not ended or nothing failed,
   *   410 `batch_expired`
   */
  async retryFailed(
    parentId: number,
    principal: Principal,
    statuses: readonly RecordStatus[] = RESENDABLE,
  ): Promise<BatchResource> {
    const parent = await this.reader.get(parentId, principal);
    if (parent.undoOf !== null) throw undoCannotBeSentAgain(parentId, parent.undoOf);
    // Checked before the import process, which may have been disabled since.
    const earlier = await selectRetry(this.database, parentId);
    if (earlier !== null) return this.reader.get(earlier, principal);
    const { pinned, compiled } = await this.processes.forNewBatch(parent.importProcessId, principal);
    const childId = await this.database.transaction(async (transaction) => {
      const locked = await lockParent(transaction, parentId);
      if (locked === undefined) throw batchNotFound(parentId);
      const { status, expiredAt } = locked;
      if (locked.childId !== null) return locked.childId;
      if (expiredAt !== null) throw batchExpired(parentId, expiredAt);
      if (!isTerminal(status) || status === 'validated') throw nothingToRetry(parentId, status);
      const child = transaction.manager.create(ImportQueueBatchEntity, {
        fileName: parent.fileName,
        creationPath: RETRY_CREATION_PATH,
        createdBy: principal.id,
        retryOf: parentId,
        ...pinnedTo(pinned),
        ...mailAddresses(locked),
      });
      const select = (after: number, limit: number) =>
        selectNextRecords(transaction, parentId, statuses, after, limit);
      await this.maker.save(
        transaction,
        child,
        { kind: 'stored rows', select, compiled },
        controlOf(pinned, {}),
      );
      // The refusal rolls back the stored rows.
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
  const reason =
    status === 'validated'
      ? 'it is a dry run; send the records without validate=true'
      : isTerminal(status)
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
