import { join } from 'node:path';
import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import { UsersModule } from '../auth/users.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { NotificationsApiModule } from '../notifications/notifications-api.module.js';
import { ImportActions } from './import-actions.js';
import { ImportPage } from './import.page.js';
import { ImportsPagesController } from './imports-pages.controller.js';
import { LoginPage } from './login.page.js';
import { LoginPagesController } from './login-pages.controller.js';
import { PageErrorFilter } from './page-error.filter.js';
import { PageRenderer } from './page-renderer.js';
import { RecentImportsPage } from './recent-imports.page.js';

/** The pages for people, and the files they need, which are ours and hold no data: they are open to everybody. */
@Module({
  imports: [ImportQueueModule, NotificationsApiModule, ResultsModule, UsersModule],
  controllers: [ImportsPagesController, LoginPagesController],
  providers: [ImportActions, ImportPage, LoginPage, PageErrorFilter, PageRenderer, RecentImportsPage],
})
export class UiModule implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost<ExpressAdapter>) {}

  onModuleInit(): void {
    const assets = join(import.meta.dirname, 'public');
    this.host.httpAdapter.useStaticAssets(assets, { prefix: '/assets', index: false, maxAge: '1h' });
  }
}
