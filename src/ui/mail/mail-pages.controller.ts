import { Get, Injectable, Param, Post, Query, Redirect } from '@nestjs/common';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { mailNotFound } from '../../notifications/notifications.errors.js';
import { PathIdPipe, validateQuery } from '../../platform/http/validation.js';
import { PageController } from '../error.page.js';
import { nonBlankFields } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { MailPage, ShowMailDto } from './mail.page.js';

/** The id of a mail in a path. */
@Injectable()
class MailIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return mailNotFound(id);
  }
}

@PageController('mail')
@RequirePermission('ViewImports')
export class MailPagesController {
  constructor(private readonly mails: MailPage) {}

  @Get()
  @HtmlPage()
  list(@Query() query: object, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.mails.render(validateQuery(ShowMailDto, nonBlankFields(query)), principal);
  }

  @Post(':id/resend')
  @RequirePermission('ManageImports')
  @Redirect(undefined, 303)
  async resend(
    @Param('id', MailIdPipe) id: number,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    const shown = validateQuery(ShowMailDto, nonBlankFields(query));
    return { url: await this.mails.resend(id, shown, principal) };
  }
}
