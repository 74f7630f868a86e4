import { Module } from '@nestjs/common';
import { BatchesModule } from '../batches/batches.module.js';
import { DeliveryModule, OutboxModule } from '../delivery/delivery.module.js';
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
  providers: [BatchMails, MailRenderer],
})
export class BatchMailsModule {}
