import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import { DeliveringConsumer } from '../../../queue/delivering.consumer.js';
import { type BehaviorJob, WEBHOOK_QUEUE } from '../../../queue/queues.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

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
