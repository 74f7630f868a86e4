import { Module } from '@nestjs/common';
import { QueueModule } from '../../platform/queue/queue.module.js';
import { QueueFigures } from './figures.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';

/** Every role serves them: each process has figures of its own. */
@Module({
  imports: [QueueModule],
  controllers: [MetricsController],
  providers: [MetricsService, QueueFigures],
})
export class MetricsModule {}
