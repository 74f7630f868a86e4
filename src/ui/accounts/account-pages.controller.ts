import { Body, Controller, Get, Post, Req, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal } from '../../auth/current-principal.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { BrowserPage, RequirePerson } from '../../auth/require-permission.decorator.js';
import { HtmlPage } from '../html-page.decorator.js';
import { PageErrorFilter } from '../page-error.filter.js';
import { AccountPage } from './account.page.js';

@ApiExcludeController()
@BrowserPage()
@Controller('account')
@RequirePerson('anyone')
@UseFilters(PageErrorFilter)
export class AccountPagesController {
  constructor(private readonly account: AccountPage) {}

  @Get()
  @HtmlPage()
  show(@CurrentPrincipal() principal: Principal, @Req() request: Request): string {
    return this.account.render(principal, { changed: request.query.changed !== undefined });
  }

  @Post('password')
  changePassword(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.account.changePassword(form, principal, request, response);
  }

  @Post('sign-out-everywhere')
  signOutEverywhere(@CurrentPrincipal() principal: Principal, @Res() response: Response): Promise<void> {
    return this.account.signOutEverywhere(principal, response);
  }
}
