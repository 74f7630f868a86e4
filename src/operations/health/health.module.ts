import { Module } from '@nestjs/common';
import { QueueModule } from '../../platform/queue/queue.module.js';
import { HealthController } from './health.controller.js';
import { PostgresCheck, Readiness, RedisCheck, ShutdownState } from './readiness.js';

/** Probes for the operator of the process: every role serves them. */
@Module({
  imports: [QueueModule],
  controllers: [HealthController],
  providers: [PostgresCheck, Readiness, RedisCheck, ShutdownState],
  exports: [ShutdownState],
})
export class HealthModule {}
