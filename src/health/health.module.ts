import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { PostgresCheck } from './postgres-check.js';
import { Readiness } from './readiness.js';
import { RedisCheck } from './redis-check.js';
import { ShutdownState } from './shutdown-state.js';

/** Probes for whoever runs the process: served by every role. */
@Module({
  controllers: [HealthController],
  providers: [PostgresCheck, Readiness, RedisCheck, ShutdownState],
  exports: [ShutdownState],
})
export class HealthModule {}
