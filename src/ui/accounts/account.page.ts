import {
  Body,
  Controller,
  Get,
  Injectable,
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
import { clearSessionCookie, LOGIN_PATH, type OwnSession } from '../../auth/sessions.service.js';
import { ChangePasswordDto, SessionIdPipe } from '../../auth/users.dto.js';
import { AccountService } from '../../auth/users.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FormAnswer, sendFormAnswer } from '../forms.js';
import { HtmlPage, PageController, PageErrorFilter, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { AccountLinkPage, CONFIRM_PATH, ConfirmSignIn, ConfirmSignInPage, LoginPage } from './login.page.js';

/** One's own account. */
@Injectable()
export class AccountPage {
  constructor(
    private readonly config: AppConfig,
    private readonly account: AccountService,
    private readonly pages: PageRenderer,
  ) {}

  async render(principal: Principal, more: object = {}): Promise<string> {
    const { name, user } = principal;
    const sessions = await this.account.sessions(principal);
    return this.pages.render('accounts/account', {
      title: text('account.title'),
      section: 'account',
      email: name,
      role: user?.role,
      temporary: user?.passwordIsTemporary,
      provider: user?.method === 'oidc' ? this.config.oidc?.name : undefined,
      sessions: sessions.map(sessionView),
      hasOthers: sessions.length > 1,
      ...more,
    });
  }

  changePassword(form: unknown, principal: Principal, request: Request): Promise<FormAnswer> {
    return answerForm(
      async () => {
        await this.account.changePassword(validateForm(ChangePasswordDto, form), principal, request);
        return '/account?changed';
      },
      (error) => this.render(principal, { errors: fieldErrors(error) }),
    );
  }

  async endSession(id: string, principal: Principal): Promise<FormAnswer> {
    await this.account.endSession(id, principal);
    return { path: '/account' };
  }

  async endOtherSessions(principal: Principal): Promise<FormAnswer> {
    await this.account.endOtherSessions(principal);
    return { path: '/account' };
  }

  async signOutEverywhere(principal: Principal, response: Response): Promise<FormAnswer> {
    await this.account.signOutEverywhere(principal);
    clearSessionCookie(response, this.config);
    return { path: LOGIN_PATH };
  }
}

/** In the order of the test: browsers also name those that they descend from. */
const BROWSERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

const LONGEST_SHOWN = 60;

/** Browser and system as people call them. A program that is not a browser is shown by its own name. */
export function browserName(userAgent: string | null): string {
  if (userAgent === null) return text('account.unknownBrowser');
  const find = (names: typeof BROWSERS) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find(BROWSERS);
  const system = find(SYSTEMS);
  if (browser === undefined) return userAgent.slice(0, LONGEST_SHOWN);
  return system === undefined ? browser : text('account.browserOn', { browser, system });
}

/** A session as its owner sees it. */
function sessionView({ id, userAgent, address, createdAt, lastSeenAt, current }: OwnSession) {
  return {
    browser: browserName(userAgent),
    address,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    current,
    endPath: `/account/sessions/${id}/end`,
  };
}

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
