import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import { DeliveringConsumer } from '../platform/queue/delivering.consumer.js';
import {
  BEHAVIOR_QUEUE,
  type BehaviorJob,
  NOTIFICATION_QUEUE,
  type NotificationJob,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import { type BehaviorAttempt, BehaviorSender } from './behavior-sender.js';
import { type NotificationAttempt, NotificationSender } from './notification-sender.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

/** Takes wake-ups from the queue. Everything that matters is in `NotificationSender`, which knows no queue. */
@Processor(NOTIFICATION_QUEUE)
export class NotificationConsumer extends DeliveringConsumer<NotificationJob> {
  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) queue: Queue<NotificationJob>,
    private readonly sender: NotificationSender,
  ) {
    super(queue, 4);
  }

  protected deliver({ notificationId }: NotificationJob, stop: AbortSignal): Promise<NotificationAttempt> {
    return this.sender.send(notificationId, stop);
  }
}

/** Takes the wake-ups of mails from their queue. Everything that matters is in `BehaviorSender`, which knows no queue. */
@Processor(BEHAVIOR_QUEUE)
export class BehaviorConsumer extends DeliveringConsumer<BehaviorJob> {
  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) queue: Queue<BehaviorJob>,
    private readonly sender: BehaviorSender,
  ) {
    super(queue, 8);
  }

  protected deliver({ behaviorId }: BehaviorJob, stop: AbortSignal): Promise<BehaviorAttempt> {
    return this.sender.sendMail(behaviorId, stop);
  }
}

/** Takes wake-ups from the queue. They wait for receivers rather than compute, so there are many at a time. */
@Processor(WEBHOOK_QUEUE)
export class WebhookConsumer extends DeliveringConsumer<BehaviorJob> {
  constructor(
    @InjectQueue(WEBHOOK_QUEUE) queue: Queue<BehaviorJob>,
    private readonly dispatcher: WebhookDispatcher,
  ) {
    super(queue, 32);
  }

  protected deliver({ behaviorId }: BehaviorJob, stop: AbortSignal): Promise<string> {
    return this.dispatcher.wake(behaviorId, stop);
  }
}
