import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { ApiKeysModule, AuditModule, UsersModule } from '../auth/auth.module.js';
import { BatchesModule } from '../batches/batches.module.js';
import { ImportProcessesApiModule } from '../import-processes/import-processes.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { PeopleModule } from '../people/people.controller.js';
import { ERROR_PAGE } from '../platform/http/problem.filter.js';
import { QueueModule } from '../platform/queue/queues.js';
import { ConnectionsModule } from '../targets/table/connections.controller.js';
import { WorkflowsApiModule } from '../workflows/workflows.module.js';
import { AccountPage, AccountPagesController, LoginPagesController } from './accounts/account.page.js';
import { ApiKeysPage, ApiKeysPagesController } from './accounts/api-keys.page.js';
import { AccountLinkPage, ConfirmSignInPage, LoginPage } from './accounts/login.page.js';
import { UserPage, UsersPage, UsersPagesController } from './accounts/users.page.js';
import { FileTypesPagesController } from './file-types/file-types-pages.controller.js';
import { FileTypesPage } from './file-types/file-types.page.js';
import { HttpFileTypePage, HttpFileTypePagesController } from './file-types/http-file-type.page.js';
import { MappingPage } from './file-types/mapping.page.js';
import { TableFileTypePage, TableFileTypePagesController } from './file-types/table-file-type.page.js';
import { FileTypeLimits } from './forms.js';
import { ConfirmationPage } from './imports/confirmation.page.js';
import { FixPage } from './imports/fix.page.js';
import { ImportActions } from './imports/import-actions.js';
import { ImportPage, RecordDetailPage } from './imports/import.page.js';
import { ImportsPagesController } from './imports/imports-pages.controller.js';
import { PreviewTable } from './imports/preview-table.js';
import { RecentImportsPage } from './imports/recent-imports.page.js';
import { UndoPage } from './imports/undo.page.js';
import { Assets } from './layout/assets.js';
import { MailPage, MailPagesController } from './mail.page.js';
import { NewImportPage, NewImportPagesController, OneRowPage } from './new-import/new-import.page.js';
import { StartFromFilePage, StartFromFilePagesController } from './new-import/start-from-file.page.js';
import {
  AuditPage,
  OversightPagesController,
  OverviewPagesController,
  PeoplePage,
  SettingsPage,
} from './oversight/oversight.page.js';
import { OverviewPage } from './oversight/overview.page.js';
import { HtmlErrorPage, PageErrorFilter, PageRenderer, QueuePausesInterceptor } from './page-renderer.js';
import { WebhooksPagesController } from './webhooks/webhooks-pages.controller.js';
import { WebhooksPage } from './webhooks/webhooks.page.js';
import { InstancesPage } from './workflows/instances.page.js';
import { WorkflowFormPage } from './workflows/workflow-form.page.js';
import { WorkflowsPage, WorkflowsPagesController } from './workflows/workflows.page.js';

/** The pages for people, and the files that they need. The files hold no data and are open to everyone. */
@Module({
  imports: [
    ImportProcessesApiModule,
    ApiKeysModule,
    AuditModule,
    ImportQueueModule,
    NotificationsModule,
    BatchesModule,
    PeopleModule,
    QueueModule,
    UsersModule,
    WorkflowsApiModule,
    ConnectionsModule,
  ],
  controllers: [
    // Before the next controller, to which "from-table" and "to-url" would be ids of file types.
    TableFileTypePagesController,
    HttpFileTypePagesController,
    FileTypesPagesController,
    // Before the next controller, to which "from-file" would be the id of a file type.
    StartFromFilePagesController,
    // Before the next controller, to which "new" would be the id of an import.
    NewImportPagesController,
    ImportsPagesController,
    LoginPagesController,
    MailPagesController,
    WorkflowsPagesController,
    AccountPagesController,
    ApiKeysPagesController,
    UsersPagesController,
    OversightPagesController,
    OverviewPagesController,
    WebhooksPagesController,
  ],
  providers: [
    AccountLinkPage,
    AccountPage,
    ApiKeysPage,
    Assets,
    AuditPage,
    ConfirmationPage,
    PreviewTable,
    ConfirmSignInPage,
    FileTypeLimits,
    FileTypesPage,
    MappingPage,
    FixPage,
    ImportActions,
    ImportPage,
    InstancesPage,
    LoginPage,
    MailPage,
    NewImportPage,
    OneRowPage,
    OverviewPage,
    PageErrorFilter,
    QueuePausesInterceptor,
    SettingsPage,
    HtmlErrorPage,
    { provide: ERROR_PAGE, useExisting: HtmlErrorPage },
    PageRenderer,
    PeoplePage,
    RecentImportsPage,
    RecordDetailPage,
    StartFromFilePage,
    UndoPage,
    TableFileTypePage,
    HttpFileTypePage,
    WorkflowFormPage,
    WorkflowsPage,
    UserPage,
    UsersPage,
    WebhooksPage,
  ],
  exports: [PageErrorFilter, HtmlErrorPage, PageRenderer],
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
