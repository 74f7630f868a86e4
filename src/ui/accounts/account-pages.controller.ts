import { Body, Controller, Get, Header, Post, Query, Req, Res, UseFilters } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { BrowserPage, CurrentPrincipal, PublicRoute, RequirePerson } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { PageErrorFilter } from '../error.page.js';
import { HtmlPage } from '../page-renderer.js';
import { AccountPage, LoginPage } from './account.page.js';

/** Signing in and out: the only pages that are open to everybody. */
@ApiExcludeController()
@Controller()
@PublicRoute()
@UseFilters(PageErrorFilter)
export class LoginPagesController {
  constructor(private readonly login: LoginPage) {}

  @Get('login')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Cache-Control', 'no-store')
  form(@Query('next') next: unknown, @Query('unsent') unsent: unknown): string {
    return this.login.render(next, { unsent });
  }

  @Post('login')
  signIn(@Body() form: unknown, @Req() request: Request, @Res() response: Response): Promise<void> {
    return this.login.signIn(form, request, response);
  }

  @Post('logout')
  signOut(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.login.signOut(request, response);
  }
}

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
