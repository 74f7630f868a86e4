import { InjectQueue, Processor } from '@nestjs/bull';
import type { Queue } from 'bull';
import {
  BEHAVIOR_QUEUE,
  type DeliveryJob,
  NOTIFICATION_QUEUE,
  QueueConsumer,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import { type Attempt, MessageSender } from './message-sender.js';
import { WEBHOOK_SLOTS, WebhookDispatcher } from './webhook-dispatcher.js';

/** The sender records a failed delivery itself; this failure means that the sender could not look up the message. */
const FAILURE = 'a message could not be looked up';

/** Handles the wake-ups of mails about batches and accounts. */
@Processor(NOTIFICATION_QUEUE)
export class BatchMailConsumer extends QueueConsumer<DeliveryJob> {
  constructor(
    @InjectQueue(NOTIFICATION_QUEUE) queue: Queue<DeliveryJob>,
    private readonly sender: MessageSender,
  ) {
    super(queue, { concurrency: 4, failure: FAILURE });
  }

  protected override handle({ messageId, kind }: DeliveryJob, stop: AbortSignal): Promise<Attempt> {
    const key = { kind: kind === 'account_mail' ? kind : 'batch_mail', id: messageId } as const;
    return this.sender.send(key, stop);
  }
}

/** Handles the wake-ups of mails that actions cause. */
@Processor(BEHAVIOR_QUEUE)
export class BehaviorMailConsumer extends QueueConsumer<DeliveryJob> {
  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) queue: Queue<DeliveryJob>,
    private readonly sender: MessageSender,
  ) {
    super(queue, { concurrency: 8, failure: FAILURE });
  }

  protected override handle({ messageId }: DeliveryJob, stop: AbortSignal): Promise<Attempt> {
    return this.sender.send({ kind: 'behavior_mail', id: messageId }, stop);
  }
}

/** Handles the wake-ups of webhooks. */
@Processor(WEBHOOK_QUEUE)
export class WebhookConsumer extends QueueConsumer<DeliveryJob> {
  constructor(
    @InjectQueue(WEBHOOK_QUEUE) queue: Queue<DeliveryJob>,
    private readonly dispatcher: WebhookDispatcher,
  ) {
    super(queue, { concurrency: WEBHOOK_SLOTS, failure: FAILURE });
  }

  protected override handle({ messageId, kind }: DeliveryJob, stop: AbortSignal): Promise<string> {
    const key = { kind: kind === 'batch_webhook' ? kind : 'behavior_webhook', id: messageId } as const;
    return this.dispatcher.wake(key, stop);
  }
}
