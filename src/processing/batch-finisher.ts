import { Injectable, Logger } from '@nestjs/common';
import { type BatchStatus, finalStatus } from '../batches/batch-state.js';
import { type EndedBatch, hasEnded, lockEndedBatch, transition } from '../batches/batches.sql.js';
import type { NotificationKind } from '../delivery/message.js';
import { Outbox } from '../delivery/outbox.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Transaction } from '../platform/database/transaction.js';
import { errorStack } from '../platform/errors.js';
import { faultPoint } from '../platform/fault-points.js';

export interface OwedNotification {
  kind: NotificationKind;
  recipient: string;
}

type End = Pick<EndedBatch, 'invalid' | 'failed' | 'unknown' | 'sendSuccessEmailTo' | 'sendFailureEmailTo'>;

/**
 * Who is told of the end of a batch, if anybody. A batch that was canceled is worth a failure mail only if records
 * had failed by then: that it was canceled is known to whoever did so.
 */
export function owedNotification(status: BatchStatus, end: End): OwedNotification | null {
  if (status === 'completed') return addressed('success', end.sendSuccessEmailTo);
  if (status === 'canceled' && end.invalid + end.failed + end.unknown === 0) return null;
  return addressed('failure', end.sendFailureEmailTo);
}

function addressed(kind: NotificationKind, recipient: string | null): OwedNotification | null {
  return recipient === null ? null : { kind, recipient };
}

/** Writes the end of a batch, exactly once, and owes the mail about it in the same transaction. */
@Injectable()
export class BatchFinisher {
  private readonly logger = new Logger(BatchFinisher.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Answers whether this call ended the batch. Never throws: what called it is committed already, and a batch that
   * could not be ended now is ended by the reconciler.
   */
  async finishIfDone(batchId: number): Promise<boolean> {
    try {
      if (!(await hasEnded(this.database, batchId))) return false;
      const end = await this.database.transaction((transaction) => this.finish(transaction, batchId));
      if (end === null) return false;
      faultPoint('batch.after-end-commit');
      this.logger.log({ message: 'batch ended', batchId, status: end.status });
      if (end.notificationId !== null) await this.outbox.wake('batch_mail', [end.notificationId]);
      return true;
    } catch (error) {
      this.logger.error(
        { message: 'batch could not be ended, the reconciler will', batchId },
        errorStack(error),
      );
      return false;
    }
  }

  private async finish(
    transaction: Transaction,
    batchId: number,
  ): Promise<{ status: BatchStatus; notificationId: number | null } | null> {
    const batch = await lockEndedBatch(transaction, batchId);
    if (batch === undefined) return null;
    const status = finalStatus(batch.status, batch);
    if (!(await transition(transaction, batchId, batch.status, status, { counts: batch }))) return null;
    const owed = owedNotification(status, batch);
    const notificationId = owed && (await this.outbox.addBatchMail(transaction, { batchId, ...owed }));
    faultPoint('batch.before-end-commit');
    return { status, notificationId };
  }
}
