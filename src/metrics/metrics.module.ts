import { Module } from '@nestjs/common';
import { QueueFigures } from '../queue/queue-figures.js';
import { QueueModule } from '../queue/queue.module.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';

/** Served by every role: each process has figures of its own. */
@Module({
  imports: [QueueModule],
  controllers: [MetricsController],
  providers: [MetricsService, QueueFigures],
})
export class MetricsModule {}
