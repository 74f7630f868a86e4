import { Global, Module } from '@nestjs/common';
import { AccountMails } from '../auth/account-links.js';
import { BatchesModule } from '../batches/batches.module.js';
import { DeliveryModule, OutboxModule } from '../delivery/delivery.module.js';
import { AccountMailRenderer, OutboxAccountMails } from './account-mail.js';
import { BatchMails, MailRenderer } from './batch-mail.js';
import { Mailbox, NotificationsReader } from './mailbox.js';
import { NotificationsController } from './notifications.controller.js';

/** Reads and resends mails; for API processes. */
@Module({
  imports: [OutboxModule, BatchesModule],
  controllers: [NotificationsController],
  providers: [Mailbox, NotificationsReader],
  exports: [Mailbox, NotificationsReader],
})
export class NotificationsModule {}

/** Sends the mails about batches; for worker processes. */
@Module({
  imports: [DeliveryModule],
  providers: [AccountMailRenderer, BatchMails, MailRenderer],
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
