import { Module } from '@nestjs/common';
import { QueueModule } from '../platform/queue/queues.js';
import { BatchMailConsumer, BehaviorMailConsumer, WebhookConsumer } from './delivery.consumer.js';
import { Mailer, MAILER_MODULE } from './mailer.js';
import { DEFAULT_SENDING_TIMES, MessageRenderers, MessageSender, SENDING_TIMES } from './message-sender.js';
import { DeliveryQueues, DueMessages, Outbox, OutboxSecretsAtRest } from './outbox.js';
import { WebhookClient } from './webhook-client.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';

/** Stores messages and wakes their senders; for every process. */
@Module({
  imports: [QueueModule],
  providers: [DeliveryQueues, Outbox, OutboxSecretsAtRest],
  exports: [Outbox],
})
export class OutboxModule {}

/** Sends the messages; for worker processes. The modules that register renderers import it. */
@Module({
  imports: [MAILER_MODULE, OutboxModule, QueueModule],
  providers: [
    BatchMailConsumer,
    BehaviorMailConsumer,
    DueMessages,
    Mailer,
    MessageRenderers,
    MessageSender,
    WebhookClient,
    WebhookConsumer,
    WebhookDispatcher,
    { provide: SENDING_TIMES, useValue: DEFAULT_SENDING_TIMES },
  ],
  exports: [MessageRenderers],
})
export class DeliveryModule {}
