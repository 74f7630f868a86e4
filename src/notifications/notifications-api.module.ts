import { Module } from '@nestjs/common';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { NotificationsReader } from './notifications-reader.js';
import { NotificationsController } from './notifications.controller.js';

/** How mails are read; for API processes. */
@Module({
  imports: [ResultsModule],
  controllers: [NotificationsController],
  providers: [NotificationsReader],
  exports: [NotificationsReader],
})
export class NotificationsApiModule {}
