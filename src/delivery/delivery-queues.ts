import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import {
  addWakeUps,
  BEHAVIOR_QUEUE,
  type BehaviorJob,
  NOTIFICATION_QUEUE,
  type NotificationJob,
  type WakeUp,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import type { BehaviorKind } from './message.js';

export interface NotificationWakeUp extends Pick<WakeUp<NotificationJob>, 'jobId' | 'delayMs'> {
  notificationId: number;
}

/** The notification queue in Redis, as something that may be away: no method throws, none takes long. */
@Injectable()
export class NotificationQueue {
  private readonly logger = new Logger(NotificationQueue.name);

  constructor(@InjectQueue(NOTIFICATION_QUEUE) private readonly queue: Queue<NotificationJob>) {}

  add(wakeUps: readonly NotificationWakeUp[]): Promise<void> {
    const jobs = wakeUps.map(({ notificationId, ...when }) => ({ job: { notificationId }, ...when }));
    return addWakeUps(this.queue, jobs, this.logger);
  }
}

/**
 * The behavior queues in Redis, as something that may be away: no method throws, none takes long. Mails and webhooks
 * have one each, since in one queue they would share their slots, and webhooks wait for hosts of others.
 */
@Injectable()
export class BehaviorQueue {
  private readonly logger = new Logger(BehaviorQueue.name);

  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) private readonly mails: Queue<BehaviorJob>,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue<BehaviorJob>,
  ) {}

  add(kind: BehaviorKind, wakeUps: readonly WakeUp<BehaviorJob>[]): Promise<void> {
    return addWakeUps(kind === 'webhook' ? this.webhooks : this.mails, wakeUps, this.logger);
  }
}
