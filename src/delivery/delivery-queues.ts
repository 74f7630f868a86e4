import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import {
  addWakeUps,
  BEHAVIOR_QUEUE,
  type DeliveryJob,
  NOTIFICATION_QUEUE,
  type WakeUp,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import type { MessageKind } from './message.js';

/**
 * The Bull queues of the outbox. Redis may be down: no method throws or takes long. Each kind has its own queue,
 * because kinds in one queue would share its slots and webhooks wait for hosts that we do not control.
 */
@Injectable()
export class DeliveryQueues {
  private readonly logger = new Logger(DeliveryQueues.name);
  private readonly queues: Readonly<Record<MessageKind, Queue<DeliveryJob>>>;

  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) batchMails: Queue<DeliveryJob>,
    @InjectQueue(BEHAVIOR_QUEUE) behaviorMails: Queue<DeliveryJob>,
    @InjectQueue(WEBHOOK_QUEUE) webhooks: Queue<DeliveryJob>,
  ) {
    this.queues = { batch_mail: batchMails, behavior_mail: behaviorMails, behavior_webhook: webhooks };
  }

  add(kind: MessageKind, wakeUps: readonly WakeUp<DeliveryJob>[]): Promise<void> {
    return addWakeUps(this.queues[kind], wakeUps, this.logger);
  }
}
