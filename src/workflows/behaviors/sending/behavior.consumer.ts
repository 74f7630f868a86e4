import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import { DeliveringConsumer } from '../../../queue/delivering.consumer.js';
import { BEHAVIOR_QUEUE, type BehaviorJob } from '../../../queue/queues.js';
import { type BehaviorAttempt, BehaviorSender } from './behavior-sender.js';

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
