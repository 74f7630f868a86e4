import { Module } from '@nestjs/common';
import { NotificationsModule } from '../../notifications/notifications.module.js';
import { QueueModule } from '../../queue/queue.module.js';
import { BatchFinisher } from './batch-finisher.js';
import { ChunkQueue } from './chunk-queue.js';
import { ChunkScheduler } from './chunk-scheduler.js';

/** What both kinds of process need: queueing chunks and ending batches. */
@Module({
  imports: [NotificationsModule, QueueModule],
  providers: [BatchFinisher, ChunkQueue, ChunkScheduler],
  exports: [BatchFinisher, ChunkQueue, ChunkScheduler],
})
export class SchedulingModule {}
