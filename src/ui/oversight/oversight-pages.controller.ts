import { Body, Get, Post, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import { ListAuditDto } from '../../auth/audit.dto.js';
import type { Principal } from '../../auth/principal.js';
import { validateQuery } from '../../platform/http/validation.js';
import { PageController } from '../error.page.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { AuditPage } from './audit.page.js';
import { PeoplePage } from './people.page.js';

/** What administrators look after beside the configuration: the audit log, and the data of people. */
@PageController()
@RequirePermission('Administer')
export class OversightPagesController {
  constructor(
    private readonly audit: AuditPage,
    private readonly people: PeoplePage,
  ) {}

  @Get('audit')
  @HtmlPage()
  showAudit(@Query() query: object): Promise<string> {
    return this.audit.render(validateQuery(ListAuditDto, nonBlankFields(query)));
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
