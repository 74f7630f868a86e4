import { join } from 'node:path';
import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import { ApiKeysModule } from '../auth/api-keys.module.js';
import { UsersModule } from '../auth/users.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { NotificationsApiModule } from '../notifications/notifications-api.module.js';
import { AccountPage } from './accounts/account.page.js';
import { AccountPagesController } from './accounts/account-pages.controller.js';
import { ApiKeysPage } from './accounts/api-keys.page.js';
import { ApiKeysPagesController } from './accounts/api-keys-pages.controller.js';
import { LoginPage } from './accounts/login.page.js';
import { LoginPagesController } from './accounts/login-pages.controller.js';
import { UserPage } from './accounts/user.page.js';
import { UsersPage } from './accounts/users.page.js';
import { UsersPagesController } from './accounts/users-pages.controller.js';
import { ImportActions } from './import-actions.js';
import { ImportPage } from './import.page.js';
import { ImportsPagesController } from './imports-pages.controller.js';
import { PageErrorFilter } from './page-error.filter.js';
import { PageRenderer } from './page-renderer.js';
import { RecentImportsPage } from './recent-imports.page.js';

/** The pages for people, and the files they need, which are ours and hold no data: they are open to everybody. */
@Module({
  imports: [
    ApiKeysModule,
    ImportProcessesModule,
    ImportQueueModule,
    NotificationsApiModule,
    ResultsModule,
    UsersModule,
  ],
  controllers: [
    AccountPagesController,
    ApiKeysPagesController,
    ImportsPagesController,
    LoginPagesController,
    UsersPagesController,
  ],
  providers: [
    AccountPage,
    ApiKeysPage,
    ImportActions,
    ImportPage,
    LoginPage,
    PageErrorFilter,
    PageRenderer,
    RecentImportsPage,
    UserPage,
    UsersPage,
  ],
})
export class UiModule implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost<ExpressAdapter>) {}

  onModuleInit(): void {
    const assets = join(import.meta.dirname, 'public');
    this.host.httpAdapter.useStaticAssets(assets, { prefix: '/assets', index: false, maxAge: '1h' });
  }
}
