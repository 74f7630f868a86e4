import { Module } from '@nestjs/common';
import { NotificationWorkerModule } from '../../../notifications/notification-worker.module.js';
import { QueueModule } from '../../../queue/queue.module.js';
import { WebhooksModule } from '../../../webhooks/webhooks.module.js';
import { BehaviorQueue } from './behavior-queue.js';
import { BehaviorSender } from './behavior-sender.js';
import { BehaviorWaker } from './behavior-waker.js';
import { BehaviorConsumer } from './behavior.consumer.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhookConsumer } from './webhook.consumer.js';

/** Sends the mails and webhooks that records owe; for worker processes. */
@Module({
  imports: [NotificationWorkerModule, QueueModule, WebhooksModule],
  providers: [
    BehaviorConsumer,
    BehaviorQueue,
    BehaviorSender,
    BehaviorWaker,
    WebhookConsumer,
    WebhookDispatcher,
  ],
})
export class BehaviorWorkerModule {}
