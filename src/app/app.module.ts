import type { Server } from 'node:http';
import { type DynamicModule, Module, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ApiKeysModule, AuditModule, AuthModule, UsersModule } from '../auth/auth.module.js';
import { DefinitionsModule } from '../definitions/definitions-folder.js';
import {
  ImportProcessesApiModule,
  KnownImportProcessesModule,
} from '../import-processes/import-processes.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { McpModule } from '../mcp/mcp.module.js';
import {
  AccountMailsModule,
  BatchMailsModule,
  NotificationsModule,
} from '../notifications/notifications.module.js';
import { DashboardModule } from '../operations/dashboard.module.js';
import { HealthModule, ShutdownState } from '../operations/health.module.js';
import { MetricsModule } from '../operations/metrics.module.js';
import { RetentionModule } from '../operations/retention-sweeper.js';
import { SecurityTxtModule } from '../operations/security-txt.js';
import { PeopleModule } from '../people/people.controller.js';
import { type AppConfig, ConfigModule } from '../platform/config/config.js';
import { SharedLimitsModule } from '../platform/shared-limits.js';
import { ProcessingModule } from '../processing/processing.module.js';
import { ConnectionsModule } from '../targets/table/connections.controller.js';
import { UiModule } from '../ui/ui.module.js';
import { BehaviorMessagesModule, WorkflowsApiModule } from '../workflows/workflows.module.js';
import { DatabaseModule } from './database.js';

/** Part of the 30 s between SIGTERM and SIGKILL. */
const SHUTDOWN_LIMIT_MS = 25_000;

/** The modules that serve HTTP. */
const API = [
  DefinitionsModule,
  KnownImportProcessesModule,
  AccountMailsModule,
  ApiKeysModule,
  AuditModule,
  UsersModule,
  ImportQueueModule,
  NotificationsModule,
  ImportProcessesApiModule,
  WorkflowsApiModule,
  ConnectionsModule,
  PeopleModule,
  McpModule,
  UiModule,
  DashboardModule,
  SecurityTxtModule,
];
/** The modules that consume queues. */
const WORKER = [ProcessingModule, BatchMailsModule, BehaviorMessagesModule, RetentionModule];

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
        SharedLimitsModule,
        AuthModule,
        HealthModule,
        MetricsModule,
        ...(config.role === 'worker' ? [] : API),
        ...(config.role === 'api' ? [] : WORKER),
      ],
    };
  }
  /**
   * Nest calls the root module first: readiness turns false before the consumers begin to wait for their chunks.
   * Requests may finish, too, but a slow upload must not delay the stop: cut off, it leaves nothing behind.
   */
  onModuleDestroy(): void {
    this.shutdown.begin();
    const server = this.adapterHost.httpAdapter.getHttpServer() as Server;
    setTimeout(() => server.closeAllConnections(), SHUTDOWN_LIMIT_MS).unref();
  }
}
