import { Body, Get, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { assertUnlimited, CurrentPrincipal, RequirePermission, RequirePerson } from '../../auth/access.js';
import { ListAuditDto } from '../../auth/audit.dto.js';
import type { Principal } from '../../auth/principal.js';
import { OverviewService } from '../../import-queue/overview.service.js';
import { validateQuery } from '../../platform/http/validation.js';
import { PageController } from '../error.page.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { AuditPage } from './audit.page.js';
import { OverviewPage, ShowOverviewDto } from './overview.page.js';
import { PeoplePage } from './people.page.js';
import { SettingsPage } from './settings.page.js';

/** What administrators look after beside the configuration: the audit log, and the data of people. */
@PageController()
@RequirePermission('Administer')
export class OversightPagesController {
  constructor(
    private readonly audit: AuditPage,
    private readonly people: PeoplePage,
    private readonly settings: SettingsPage,
  ) {}

  @Get('audit')
  @HtmlPage()
  showAudit(@Query() query: object): Promise<string> {
    return this.audit.render(validateQuery(ListAuditDto, nonBlankFields(query)));
  }

  @Get('settings')
  @RequirePerson('administrator')
  @HtmlPage()
  showSettings(): Promise<string> {
    return this.settings.render();
  }

  @Get('people')
  @HtmlPage()
  showPeople(): string {
    return this.people.form();
  }

  @Post('people')
  async searchPeople(
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.people.search(form, principal));
  }

  @Post('people/erase')
  async erasePerson(
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.people.erase(form, principal));
  }
}

/** What operators look after. */
@PageController('overview')
@RequirePermission('ViewImports')
export class OverviewPagesController {
  constructor(
    private readonly page: OverviewPage,
    private readonly overview: OverviewService,
  ) {}

  @Get()
  @HtmlPage()
  show(@Query() query: ShowOverviewDto, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.page.render(query, principal);
  }

  @Post('viewed')
  @RequirePermission('ManageImports')
  @Redirect('/overview', 303)
  async markViewed(@CurrentPrincipal() principal: Principal): Promise<void> {
    await this.overview.markAllViewed(principal);
  }

  /** A queue serves all file types. */
  @Post('queues/:name/resume')
  @RequirePermission('ManageImports')
  @Redirect('/overview', 303)
  async resume(@Param('name') name: string, @CurrentPrincipal() principal: Principal): Promise<void> {
    assertUnlimited(principal);
    await this.overview.resumeQueue(name, principal);
  }
}
