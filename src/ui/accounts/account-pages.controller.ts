import {
  Body,
  Controller,
  Get,
  Param,
  Post,
  Query,
  Req,
  Res,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CurrentPrincipal, PublicRoute, RequirePerson } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { SessionIdPipe } from '../../auth/users.dto.js';
import { PageController, PageErrorFilter } from '../error.page.js';
import { sendFormAnswer } from '../forms.js';
import { HtmlPage } from '../page-renderer.js';
import { AccountLinkPage } from './account-link.page.js';
import { AccountPage } from './account.page.js';
import { ConfirmSignIn, ConfirmSignInPage } from './confirm-sign-in.js';
import { CONFIRM_PATH, LoginPage } from './login.page.js';

/** Signing in and out: the only pages that are open to everyone. */
@ApiExcludeController()
@Controller()
@PublicRoute()
@UseFilters(PageErrorFilter)
export class LoginPagesController {
  constructor(
    private readonly links: AccountLinkPage,
    private readonly login: LoginPage,
  ) {}

  @Get('login')
  @HtmlPage()
  form(
    @Query('next') next: unknown,
    @Query('unsent') unsent: unknown,
    @Query('signed-out') signedOut: unknown,
    @Query('password-set') passwordSet: unknown,
  ): string {
    const messages = { signedOut: signedOut !== undefined, passwordSet: passwordSet !== undefined };
    return this.login.render(next, { unsent, ...messages });
  }

  @Get('login/forgotten')
  @HtmlPage()
  forgotten(@Query('sent') sent: unknown): string {
    return this.links.renderForgotten({ sent: sent !== undefined });
  }

  @Post('login/forgotten')
  async requestLink(
    @Body() form: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.links.request(form, request));
  }

  @Get('login/link')
  @HtmlPage()
  link(@Query('token') token: unknown): Promise<string> {
    return this.links.renderLink(token);
  }

  @Post('login/link')
  async useLink(@Body() form: unknown, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.links.setPassword(form, request));
  }

  @Post('login')
  async signIn(@Body() form: unknown, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.login.signIn(form, request, response));
  }

  @Get('login/oidc')
  async beginAtProvider(
    @Query('next') next: unknown,
    @Query('confirm') confirm: unknown,
    @Res() response: Response,
  ): Promise<void> {
    const answer = await this.login.beginAtProvider(next, confirm !== undefined, response);
    sendFormAnswer(response, answer);
  }

  @Get('login/oidc/callback')
  async completeAtProvider(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.login.completeAtProvider(request, response));
  }

  @Get('login/oidc/sign-out')
  async signOutAtProvider(@Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.login.signOutAtProvider());
  }

  @Post('logout')
  async signOut(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.login.signOut(request, response));
  }
}

@PageController('account')
@RequirePerson('anyone')
export class AccountPagesController {
  constructor(
    private readonly account: AccountPage,
    private readonly confirmation: ConfirmSignInPage,
  ) {}

  @Get()
  @HtmlPage()
  show(@CurrentPrincipal() principal: Principal, @Query('changed') changed: unknown): Promise<string> {
    return this.account.render(principal, { changed: changed !== undefined });
  }

  @Post('password')
  async changePassword(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.account.changePassword(form, principal, request));
  }

  @Get('confirm')
  @HtmlPage()
  askToConfirm(@CurrentPrincipal() principal: Principal, @Query('confirmed') confirmed: unknown): string {
    return this.confirmation.render(principal, CONFIRM_PATH, {}, { confirmed: confirmed !== undefined });
  }

  @Post('confirm')
  @UseInterceptors(ConfirmSignIn)
  confirm(@Res() response: Response): void {
    sendFormAnswer(response, { path: `${CONFIRM_PATH}?confirmed` });
  }

  @Post('sessions/end-others')
  async endOtherSessions(@CurrentPrincipal() principal: Principal, @Res() response: Response): Promise<void> {
    sendFormAnswer(response, await this.account.endOtherSessions(principal));
  }

  @Post('sessions/:id/end')
  async endSession(
    @Param('id', SessionIdPipe) id: string,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.account.endSession(id, principal));
  }

  @Post('sign-out-everywhere')
  async signOutEverywhere(
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.account.signOutEverywhere(principal, response));
  }
}
