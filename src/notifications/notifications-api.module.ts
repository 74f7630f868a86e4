import { Module } from '@nestjs/common';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { Mailbox } from './mailbox.js';
import { NotificationsReader } from './notifications-reader.js';
import { NotificationsController } from './notifications.controller.js';
import { NotificationsModule } from './notifications.module.js';

/** How mails are read; for API processes. */
@Module({
  imports: [NotificationsModule, ResultsModule],
  controllers: [NotificationsController],
  providers: [Mailbox, NotificationsReader],
  exports: [Mailbox, NotificationsReader],
})
export class NotificationsApiModule {}
