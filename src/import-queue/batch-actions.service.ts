import { Injectable, Logger } from '@nestjs/common';
import { assertMayPrepare, assertMayUse } from '../auth/access.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, pinnedTo } from '../batches/batch-maker.js';
import { batchExpired, batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import {
  allowedActions,
  type BatchAction,
  type BatchControl,
  type BatchStatus,
  type ChangingAction,
  controlOf,
  isAllowed,
  isTerminal,
  mailAddresses,
  RETRY_CREATION_PATH,
  statusAfter,
} from '../batches/batch-state.js';
import {
  abandonBatch,
  lockBatch,
  lockParent,
  selectRetry,
  transition,
  type TransitionDetails,
} from '../batches/batches.sql.js';
import { changeControl, markCanary, selectControl } from '../batches/control.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectNextRecords } from '../batches/record-pages.sql.js';
import { resolveRecords, type UnknownResolution } from '../batches/records.sql.js';
import { deleteStep, expireNow } from '../batches/retention.sql.js';
import { deleteUploadOfBatch, selectUploadOfBatch } from '../batches/uploads.sql.js';
import { deleteBehaviorsOfBatch } from '../delivery/outbox.sql.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { type RecordStatus, RESENDABLE } from '../records/record-status.js';
import { assertStartsInTime } from './create-batch.dto.js';
import { batchStateConflict, beingRead, undoCannotBeSentAgain } from './import-queue.errors.js';

/** Cancels, pauses and resumes batches; confirms and abandons uploads; resolves unknown records. */
@Injectable()
export class BatchActionsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly scheduler: ChunkScheduler,
    private readonly reader: BatchReader,
  ) {}

  /**
   * Answers the batch after the action. Running chunks still finish. A canceled batch is `canceling` until the records
   * of its other chunks are marked as canceled.
   * @param asked how a confirmed upload is to be run; what is absent stays as the upload said
   * @throws DomainError 404 `batch_not_found`, 403 `import_process_not_allowed`, 409 `state_conflict`
   */
  async perform(
    action: ChangingAction,
    batchId: number,
    principal: Principal,
    asked: Partial<BatchControl> = {},
  ): Promise<BatchResource> {
    await this.database.transaction((transaction) =>
      changeStatus(transaction, action, batchId, principal, asked),
    );
    await this.scheduler.advance(batchId);
    return this.reader.get(batchId, principal);
  }

  /**
   * Ends unknown records as a person says. The status of the batch stays, and nothing is sent.
   * @param lines their lines; `null`: all unknown records of the batch
   * @throws DomainError 404 `batch_not_found`, 403 `import_process_not_allowed`, 410 `batch_expired`, 409 `state_conflict`
   *   if the batch has not ended or none of its records is unknown, 400 `invalid_body` if a line is not an unknown record
   */
  async resolve(
    batchId: number,
    { outcome, lines }: { outcome: UnknownResolution; lines: readonly number[] | null },
    principal: Principal,
  ): Promise<BatchResource> {
    await this.reader.rowWithRecords(batchId, principal);
    await this.database.transaction(async (transaction) => {
      const batch = await lockBatch(transaction, batchId);
      if (batch === undefined) throw batchNotFound(batchId);
      assertMayUse(principal, batch.importProcessId);
      if (!isAllowed('resolve', batch.status)) throw stateConflict('resolve', batchId, batch.status);
      const resolved = new Set(await resolveRecords(transaction, batchId, outcome, lines));
      const missing = (lines ?? []).filter((line) => !resolved.has(line));
      if (missing.length > 0) throw notUnknown(missing);
      if (resolved.size === 0) throw nothingToResolve(batchId, batch.status);
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'records_resolved',
        subject: `batch:${batchId}`,
        details: { outcome, records: resolved.size, lines: [...resolved].slice(0, NAMED_LINES) },
      });
    });
    return this.reader.get(batchId, principal);
  }
}

/** Lines that an audit event names. */
const NAMED_LINES = 100;

function notUnknown(lines: readonly number[]): DomainError {
  return invalidBody(
    lines.map((line) => ({
      pointer: '/lines',
      code: 'no_unknown_record',
      message: `line ${line} is not an unknown record of this batch`,
    })),
  );
}

function nothingToResolve(batchId: number, status: BatchStatus): DomainError {
  return batchStateConflict(`No record of batch ${batchId} is unknown.`, status);
}

async function changeStatus(
  transaction: Transaction,
  action: ChangingAction,
  batchId: number,
  principal: Principal,
  asked: Partial<BatchControl>,
): Promise<void> {
  if (action === 'confirm' || action === 'abandon') await refuseWhileBeingRead(transaction, batchId);
  const batch = await lockBatch(transaction, batchId);
  if (batch === undefined) throw batchNotFound(batchId);
  if (action === 'confirm' || action === 'abandon') assertMayPrepare(principal, batch);
  else assertMayUse(principal, batch.importProcessId);
  const status = statusAfter(action, batch);
  if (status === null) throw stateConflict(action, batchId, batch.status);
  if (action === 'abandon') await abandonBatch(transaction, batchId);
  else await transition(transaction, batchId, batch.status, status, detailsOf(status));
  if (action === 'confirm') {
    await control(transaction, batchId, asked);
    await deleteUploadOfBatch(transaction, batchId);
  }
  await writeAudit(transaction, {
    actor: principal.id,
    action: 'batch_status_changed',
    subject: `batch:${batchId}`,
    details: { action, from: batch.status, to: status },
  });
}

async function control(
  transaction: Transaction,
  batchId: number,
  asked: Partial<BatchControl>,
): Promise<void> {
  await changeControl(transaction, batchId, asked);
  const control = await selectControl(transaction, batchId);
  if (control === null) return;
  assertStartsInTime(control);
  await markCanary(transaction, batchId);
}

/** Asked before the batch is locked, because the reading holds that lock. */
async function refuseWhileBeingRead(transaction: Transaction, batchId: number): Promise<void> {
  const stored = await selectUploadOfBatch(transaction, batchId);
  if (stored?.isBeingRead === true) throw beingRead(batchId);
}

function detailsOf(status: BatchStatus): TransitionDetails {
  return status === 'paused' ? { pause: { reason: 'manual', detail: null } } : {};
}

/** 409: the status of the batch does not allow the action. */
function stateConflict(action: BatchAction, batchId: number, currentStatus: BatchStatus): DomainError {
  const possible = allowedActions(currentStatus).join(', ') || 'nothing';
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `Batch ${batchId} is ${currentStatus}: it is too late or too early to ${action} it. Possible now: ${possible}.`,
    { extensions: { currentStatus } },
  );
}

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

/** Records per transaction. */
const STEP_RECORDS = 10_000;
const STEP_MESSAGES = 1_000;
/** A larger batch is deleted after the answer. */
const STEPS_BEFORE_ANSWER = 10;

/** Deletes what an ended batch holds about its records, at once instead of at the end of its retention. */
@Injectable()
export class BatchDeletionService {
  private readonly logger = new Logger(BatchDeletionService.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
  ) {}

  /**
   * Answers the batch, whose row and counts stay. From then on no one reads its records. If the process dies, retention
   * deletes the rest. A repeated call continues.
   * @throws DomainError 404 `batch_not_found`, 403 `import_process_not_allowed`, 409 `state_conflict` unless it has ended
   */
  async delete(id: number, principal: Principal): Promise<BatchResource> {
    await this.database.transaction(async (transaction) => {
      const batch = await lockBatch(transaction, id);
      if (batch === undefined) throw batchNotFound(id);
      assertMayUse(principal, batch.importProcessId);
      if (!isTerminal(batch.status)) throw stateConflict('delete', id, batch.status);
      if (!(await expireNow(transaction, id))) return;
      await writeAudit(transaction, { actor: principal.id, action: 'batch_deleted', subject: `batch:${id}` });
    });
    const steps = this.steps(id);
    for (let step = 0; step < STEPS_BEFORE_ANSWER; step += 1) {
      if ((await steps.next()).done === true) return this.reader.get(id, principal);
    }
    void this.finish(id, steps);
    return this.reader.get(id, principal);
  }

  private async finish(id: number, steps: AsyncIterator<void>): Promise<void> {
    try {
      while ((await steps.next()).done !== true);
    } catch (error) {
      this.logger.warn(`Retention will delete the rest of batch ${id}: ${String(error)}`);
    }
  }

  private async *steps(id: number): AsyncGenerator<void, void, undefined> {
    for (let emptied = false; !emptied;) {
      const { deleted, emptied: last } = await this.database.transaction((transaction) =>
        deleteStep(transaction, id, STEP_RECORDS),
      );
      // No record left, and emptied by another call.
      emptied = last || deleted === 0;
      yield;
    }
    while ((await deleteBehaviorsOfBatch(this.database, id, STEP_MESSAGES)) === STEP_MESSAGES) yield;
  }
}
