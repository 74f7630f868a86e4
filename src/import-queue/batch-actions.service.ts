import { Injectable } from '@nestjs/common';
import { assertMayPrepare, assertMayUse } from '../auth/access.js';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import {
  allowedActions,
  isAllowed,
  type BatchAction,
  type BatchControl,
  type BatchStatus,
  type ChangingAction,
  statusAfter,
} from '../batches/batch-state.js';
import { type UnknownResolution, resolveRecords } from '../batches/records.sql.js';
import { abandonBatch, lockBatch, transition, type TransitionDetails } from '../batches/batches.sql.js';
import { changeControl, markCanary, selectControl } from '../batches/control.sql.js';
import { deleteUploadOfBatch, selectUploadOfBatch } from '../batches/uploads.sql.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { batchStateConflict, beingRead } from './import-queue.errors.js';
import { assertStartsInTime } from './create-batch.dto.js';

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
export function stateConflict(action: BatchAction, batchId: number, currentStatus: BatchStatus): DomainError {
  const possible = allowedActions(currentStatus).join(', ') || 'nothing';
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `Batch ${batchId} is ${currentStatus}: it is too late or too early to ${action} it. Possible now: ${possible}.`,
    { extensions: { currentStatus } },
  );
}
