import { Global, Module } from '@nestjs/common';
import { AccountMails } from '../auth/account-links.js';
import { BatchesModule } from '../batches/batches.module.js';
import { DeliveryModule, OutboxModule } from '../delivery/delivery.module.js';
import { AccountMailRenderer, OutboxAccountMails } from './account-mail.js';
import { BatchMails, MailRenderer } from './batch-mail.js';
import { BatchWebhooks } from './batch-webhook.js';
import { Mailbox, NotificationsReader } from './mailbox.js';
import { NotificationsController } from './notifications.controller.js';
import { WebhookEndpointsController } from './webhook-endpoints.controller.js';
import { EndpointSecretsAtRest, WebhookEndpointsService } from './webhook-endpoints.service.js';

/** Reads and resends mails and webhooks, and configures their endpoints; for API processes. */
@Module({
  imports: [OutboxModule, BatchesModule],
  controllers: [NotificationsController, WebhookEndpointsController],
  providers: [EndpointSecretsAtRest, Mailbox, NotificationsReader, WebhookEndpointsService],
  exports: [Mailbox, NotificationsReader, WebhookEndpointsService],
})
export class NotificationsModule {}

/** Sends the mails and webhooks about batches; for worker processes. */
@Module({
  imports: [DeliveryModule],
  providers: [AccountMailRenderer, BatchMails, BatchWebhooks, MailRenderer],
})
export class BatchMailsModule {}

/** Implements what accounts need of the outbox. Global, because auth is a layer below. */
@Global()
@Module({
  imports: [OutboxModule],
  providers: [{ provide: AccountMails, useClass: OutboxAccountMails }],
  exports: [AccountMails],
})
export class AccountMailsModule {}
