import { Module } from '@nestjs/common';
import { QueueModule } from '../platform/queue/queue.module.js';
import { BehaviorSender } from './behavior-sender.js';
import { BehaviorWaker } from './behavior-waker.js';
import { DEFAULT_SENDING_TIMES, SENDING_TIMES } from './claims.js';
import { BehaviorQueue, NotificationQueue } from './delivery-queues.js';
import { BehaviorConsumer, NotificationConsumer, WebhookConsumer } from './delivery.consumer.js';
import { Mailer, MAILER_MODULE } from './mailer.js';
import { MessageRenderers } from './message-renderers.js';
import { NotificationOutbox } from './notification-outbox.js';
import { NotificationSender } from './notification-sender.js';
import { WebhookClient } from './webhook-client.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

/** What every process needs: owing mails and having them sent. Sending is the worker's. */
@Module({
  imports: [QueueModule],
  providers: [NotificationOutbox, NotificationQueue],
  exports: [NotificationOutbox],
})
export class OutboxModule {}

/** Sends the mails that are owed; for worker processes. */
@Module({
  imports: [MAILER_MODULE, OutboxModule, QueueModule],
  providers: [
    Mailer,
    MessageRenderers,
    NotificationConsumer,
    NotificationSender,
    { provide: SENDING_TIMES, useValue: DEFAULT_SENDING_TIMES },
  ],
  // For whatever else sends mail.
  exports: [Mailer, MessageRenderers, SENDING_TIMES],
})
export class NotificationWorkerModule {}

@Module({ providers: [WebhookClient], exports: [WebhookClient] })
class WebhooksModule {}

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
