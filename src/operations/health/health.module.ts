import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { PostgresCheck, Readiness, RedisCheck, ShutdownState } from './readiness.js';

/** Probes for whoever runs the process: served by every role. */
@Module({
  controllers: [HealthController],
  providers: [PostgresCheck, Readiness, RedisCheck, ShutdownState],
  exports: [ShutdownState],
})
export class HealthModule {}
