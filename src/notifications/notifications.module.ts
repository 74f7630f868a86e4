import { Module } from '@nestjs/common';
import { BatchesModule } from '../batches/batches.module.js';
import { OutboxModule } from '../delivery/delivery.module.js';
import { Mailbox, NotificationsReader } from './mailbox.js';
import { NotificationsController } from './notifications.controller.js';

/** How mails are read; for API processes. */
@Module({
  imports: [OutboxModule, BatchesModule],
  controllers: [NotificationsController],
  providers: [Mailbox, NotificationsReader],
  exports: [Mailbox, NotificationsReader],
})
export class NotificationsModule {}
