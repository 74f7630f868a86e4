import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { ApiKeysModule } from '../auth/api-keys.module.js';
import { UsersModule } from '../auth/users.module.js';
import { ImportProcessesApiModule } from '../import-processes/import-processes-api.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { ResultsModule } from '../import-queue/results/results.module.js';
import { NotificationsApiModule } from '../notifications/notifications-api.module.js';
import { WorkflowsApiModule } from '../workflows/workflows-api.module.js';
import { FileTypePages } from './file-types/file-type-pages.js';
import { FileTypePagesController } from './file-types/file-type-pages.controller.js';
import { ConfirmationPage } from './imports/confirmation.page.js';
import { FixPage } from './imports/fix.page.js';
import { AccountPage } from './accounts/account.page.js';
import { AccountPagesController } from './accounts/account-pages.controller.js';
import { ApiKeysPage } from './accounts/api-keys.page.js';
import { ApiKeysPagesController } from './accounts/api-keys-pages.controller.js';
import { LoginPage } from './accounts/login.page.js';
import { LoginPagesController } from './accounts/login-pages.controller.js';
import { UserPage } from './accounts/user.page.js';
import { UsersPage } from './accounts/users.page.js';
import { UsersPagesController } from './accounts/users-pages.controller.js';
import { ImportActions } from './imports/import-actions.js';
import { ImportPage } from './imports/import.page.js';
import { ImportsPagesController } from './imports/imports-pages.controller.js';
import { RecentImportsPage } from './imports/recent-imports.page.js';
import { RecordPage } from './imports/record.page.js';
import { Assets } from './layout/assets.js';
import { MailPage } from './mail/mail.page.js';
import { MailPagesController } from './mail/mail-pages.controller.js';
import { NewImportPage } from './new-import/new-import.page.js';
import { NewImportPagesController } from './new-import/new-import-pages.controller.js';
import { OneRowPage } from './new-import/one-row.page.js';
import { ERROR_PAGE } from '../common/http/error-page.js';
import { PageErrorFilter } from './page-error.filter.js';
import { PageOfError } from './page-of-error.js';
import { PageRenderer } from './page-renderer.js';
import { InstancePages } from './workflows/instance-pages.js';
import { WorkflowPages } from './workflows/workflow-pages.js';
import { WorkflowPagesController } from './workflows/workflow-pages.controller.js';

/** The pages for people, and the files they need, which are ours and hold no data: they are open to everybody. */
@Module({
  imports: [
    ImportProcessesApiModule,
    ApiKeysModule,
    ImportQueueModule,
    NotificationsApiModule,
    ResultsModule,
    UsersModule,
    WorkflowsApiModule,
  ],
  controllers: [
    FileTypePagesController,
    // Before the next one, to which "new" would be the id of an import.
    NewImportPagesController,
    ImportsPagesController,
    LoginPagesController,
    MailPagesController,
    WorkflowPagesController,
    AccountPagesController,
    ApiKeysPagesController,
    UsersPagesController,
  ],
  providers: [
    AccountPage,
    ApiKeysPage,
    Assets,
    ConfirmationPage,
    FileTypePages,
    FixPage,
    ImportActions,
    ImportPage,
    InstancePages,
    LoginPage,
    MailPage,
    NewImportPage,
    OneRowPage,
    PageErrorFilter,
    PageOfError,
    { provide: ERROR_PAGE, useExisting: PageOfError },
    PageRenderer,
    RecentImportsPage,
    RecordPage,
    WorkflowPages,
    UserPage,
    UsersPage,
  ],
  exports: [PageErrorFilter, PageOfError, PageRenderer],
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
