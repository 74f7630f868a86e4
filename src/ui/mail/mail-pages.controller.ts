import { Controller, Get, Param, Post, Query, Redirect, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CurrentPrincipal } from '../../auth/current-principal.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { BrowserPage, RequirePermission } from '../../auth/require-permission.decorator.js';
import { validateQuery } from '../../common/http/validate-query.js';
import { HtmlPage } from '../html-page.decorator.js';
import { PageErrorFilter } from '../page-error.filter.js';
import { withoutBlanks } from '../without-blanks.js';
import { MailIdPipe } from './mail-id.pipe.js';
import { MailPage } from './mail.page.js';
import { ShowMailDto } from './show-mail.dto.js';

@ApiExcludeController()
@BrowserPage()
@Controller('mail')
@RequirePermission('ViewImports')
@UseFilters(PageErrorFilter)
export class MailPagesController {
  constructor(private readonly mails: MailPage) {}

  @Get()
  @HtmlPage()
  list(@Query() query: object, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.mails.render(validateQuery(ShowMailDto, withoutBlanks(query)), principal);
  }

  @Post(':id/resend')
  @RequirePermission('ManageImports')
  @Redirect(undefined, 303)
  async resend(
    @Param('id', MailIdPipe) id: number,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    const shown = validateQuery(ShowMailDto, withoutBlanks(query));
    return { url: await this.mails.resend(id, shown, principal) };
  }
}
