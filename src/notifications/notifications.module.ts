import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { NotificationOutbox } from './notification-outbox.js';
import { NotificationQueue } from './notification-queue.js';

/** What every process needs: owing mails and having them sent. Sending is the worker's. */
@Module({
  imports: [QueueModule],
  providers: [NotificationOutbox, NotificationQueue],
  exports: [NotificationOutbox],
})
export class NotificationsModule {}
