import type { NotificationKind } from '../../notifications/entities/notification.entity.js';
import type { BatchStatus } from '../batch-state.js';
import type { EndedBatch } from './sql/select-ended-batch.js';

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
