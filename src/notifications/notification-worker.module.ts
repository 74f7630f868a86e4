import { Module } from '@nestjs/common';
import { QueueModule } from '../queue/queue.module.js';
import { MailRenderer } from './mail-renderer.js';
import { Mailer, MAILER_MODULE } from './mailer.js';
import { NotificationSender } from './notification-sender.js';
import { NotificationConsumer } from './notification.consumer.js';
import { NotificationsModule } from './notifications.module.js';
import { DEFAULT_SENDING_TIMES, SENDING_TIMES } from './sending-times.js';

/** Sends the mails that are owed; for worker processes. */
@Module({
  imports: [MAILER_MODULE, NotificationsModule, QueueModule],
  providers: [
    Mailer,
    MailRenderer,
    NotificationConsumer,
    NotificationSender,
    { provide: SENDING_TIMES, useValue: DEFAULT_SENDING_TIMES },
  ],
  // For whatever else sends mail.
  exports: [Mailer, SENDING_TIMES],
})
export class NotificationWorkerModule {}
