import type { Server } from 'node:http';
import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ApiKeysModule } from './auth/api-keys.module.js';
import { AuthModule } from './auth/auth.module.js';
import { UsersModule } from './auth/users.module.js';
import { ConfigModule } from './config/config.module.js';
import type { AppConfig } from './config/config.js';
import { DatabaseModule } from './database/database.module.js';
import { DefinitionsModule } from './definitions/definitions.module.js';
import { HealthModule } from './health/health.module.js';
import { ShutdownState } from './health/shutdown-state.js';
import { ImportProcessesApiModule } from './import-processes/import-processes-api.module.js';
import { ImportQueueModule } from './import-queue/import-queue.module.js';
import { ProcessingModule } from './import-queue/processing/processing.module.js';
import { ResultsModule } from './import-queue/results/results.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { NotificationsApiModule } from './notifications/notifications-api.module.js';
import { NotificationWorkerModule } from './notifications/notification-worker.module.js';
import { DashboardModule } from './queue/dashboard.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { UiModule } from './ui/ui.module.js';
import { BehaviorWorkerModule } from './workflows/behaviors/sending/behavior-worker.module.js';
import { WorkflowsApiModule } from './workflows/workflows-api.module.js';

/** Of the 30 s between SIGTERM and SIGKILL. */
const LONGEST_GOODBYE_MS = 25_000;

/** What answers HTTP. */
const API = [
  DefinitionsModule,
  ApiKeysModule,
  UsersModule,
  ImportQueueModule,
  ResultsModule,
  NotificationsApiModule,
  ImportProcessesApiModule,
  WorkflowsApiModule,
  UiModule,
  DashboardModule,
];
/** What consumes queues. */
const WORKER = [ProcessingModule, NotificationWorkerModule, BehaviorWorkerModule, RetentionModule];

@Module({})
export class AppModule implements OnModuleDestroy {
  constructor(
    private readonly shutdown: ShutdownState,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  static with(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(config),
        DatabaseModule,
        AuthModule,
        HealthModule,
        MetricsModule,
        ...(config.role === 'worker' ? [] : API),
        ...(config.role === 'api' ? [] : WORKER),
      ],
    };
  }
  /**
   * Nest tells the root module first: readiness turns false before the consumers begin to wait for their chunks.
   * Requests may end too, but a slow upload must not hold up the stop: cut off, it leaves nothing behind.
   */
  onModuleDestroy(): void {
    this.shutdown.begin();
    const server = this.adapterHost.httpAdapter.getHttpServer() as Server;
    setTimeout(() => server.closeAllConnections(), LONGEST_GOODBYE_MS).unref();
  }
}
