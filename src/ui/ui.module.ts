import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { UsersModule } from '../auth/users.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { NotificationsApiModule } from '../notifications/notifications-api.module.js';
import { ImportActions } from './imports/import-actions.js';
import { ImportPage } from './imports/import.page.js';
import { ImportsPagesController } from './imports/imports-pages.controller.js';
import { RecentImportsPage } from './imports/recent-imports.page.js';
import { RecordPage } from './imports/record.page.js';
import { Assets } from './layout/assets.js';
import { LoginPage } from './login.page.js';
import { LoginPagesController } from './login-pages.controller.js';
import { PageErrorFilter } from './page-error.filter.js';
import { PageRenderer } from './page-renderer.js';

/** The pages for people, and the files they need, which are ours and hold no data: they are open to everybody. */
@Module({
  imports: [ImportProcessesModule, ImportQueueModule, NotificationsApiModule, ResultsModule, UsersModule],
  controllers: [ImportsPagesController, LoginPagesController],
  providers: [
    Assets,
    ImportActions,
    ImportPage,
    LoginPage,
    PageErrorFilter,
    PageRenderer,
    RecentImportsPage,
    RecordPage,
  ],
  exports: [PageErrorFilter, PageRenderer],
})
export class UiModule implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost<ExpressAdapter>,
    private readonly assets: Assets,
  ) {}

  onModuleInit(): void {
    const serve = (request: Request, response: Response, next: NextFunction) =>
      this.assets.serve(request, response, next);
    this.host.httpAdapter.use('/assets', serve);
  }
}
