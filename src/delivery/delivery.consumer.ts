import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import { QueueConsumer } from '../platform/queue/queue-consumer.js';
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

/** A delivery that fails is written down by its sender; this is about not reaching it. */
const FAILURE = 'what is to be delivered could not be looked up';

/** Takes wake-ups from the queue. Everything that matters is in `NotificationSender`, which knows no queue. */
@Processor(NOTIFICATION_QUEUE)
export class NotificationConsumer extends QueueConsumer<NotificationJob> {
  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) queue: Queue<NotificationJob>,
    private readonly sender: NotificationSender,
  ) {
    super(queue, { concurrency: 4, failure: FAILURE });
  }

  protected override handle(
    { notificationId }: NotificationJob,
    stop: AbortSignal,
  ): Promise<NotificationAttempt> {
    return this.sender.send(notificationId, stop);
  }
}

/** Takes the wake-ups of mails from their queue. Everything that matters is in `BehaviorSender`, which knows no queue. */
@Processor(BEHAVIOR_QUEUE)
export class BehaviorConsumer extends QueueConsumer<BehaviorJob> {
  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) queue: Queue<BehaviorJob>,
    private readonly sender: BehaviorSender,
  ) {
    super(queue, { concurrency: 8, failure: FAILURE });
  }

  protected override handle({ behaviorId }: BehaviorJob, stop: AbortSignal): Promise<BehaviorAttempt> {
    return this.sender.sendMail(behaviorId, stop);
  }
}

/** Takes wake-ups from the queue. They wait for receivers rather than compute, so there are many at a time. */
@Processor(WEBHOOK_QUEUE)
export class WebhookConsumer extends QueueConsumer<BehaviorJob> {
  constructor(
    @InjectQueue(WEBHOOK_QUEUE) queue: Queue<BehaviorJob>,
    private readonly dispatcher: WebhookDispatcher,
  ) {
    super(queue, { concurrency: 32, failure: FAILURE });
  }

  protected override handle({ behaviorId }: BehaviorJob, stop: AbortSignal): Promise<string> {
    return this.dispatcher.wake(behaviorId, stop);
  }
}
