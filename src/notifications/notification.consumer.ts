import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import { DeliveringConsumer } from '../queue/delivering.consumer.js';
import { NOTIFICATION_QUEUE, type NotificationJob } from '../queue/queues.js';
import { type Attempt, NotificationSender } from './notification-sender.js';

/** Takes wake-ups from the queue. Everything that matters is in `NotificationSender`, which knows no queue. */
@Processor(NOTIFICATION_QUEUE)
export class NotificationConsumer extends DeliveringConsumer<NotificationJob> {
  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) queue: Queue<NotificationJob>,
    private readonly sender: NotificationSender,
  ) {
    super(queue, 4);
  }

  protected deliver({ notificationId }: NotificationJob, stop: AbortSignal): Promise<Attempt> {
    return this.sender.send(notificationId, stop);
  }
}
