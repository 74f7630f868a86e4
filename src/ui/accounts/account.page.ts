import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Authenticator } from '../../auth/authenticator.js';
import {
  clearSessionCookie,
  LOGIN_PATH,
  returnPath,
  setKnownBrowserCookie,
  setSessionCookie,
} from '../../auth/browser-session.js';
import type { Principal } from '../../auth/principal.js';
import { SignIn } from '../../auth/sign-in.js';
import { ChangePasswordDto, SignInDto } from '../../auth/users.dto.js';
import { AccountService } from '../../auth/users.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FormAnswer } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { sessionView } from './session-list.js';

/** The sign-in page, with its form and the sign-out button. */
@Injectable()
export class LoginPage {
  constructor(
    private readonly config: AppConfig,
    private readonly authenticator: Authenticator,
    private readonly people: SignIn,
    private readonly pages: PageRenderer,
  ) {}

  render(next: unknown, more: object = {}): string {
    return this.pages.render('accounts/login', {
      title: text('login.title'),
      next: returnPath(next),
      ...more,
    });
  }

  /** Sets the cookie of the new session in the response. */
  async signIn(form: unknown, request: Request, response: Response): Promise<FormAnswer> {
    // A page of another site must not sign its visitor in as a different user either.
    this.authenticator.assertSameSite(request);
    const { email: given, next } = (form ?? {}) as { email?: unknown; next?: unknown };
    return answerForm(
      async () => {
        const { email, password } = validateForm(SignInDto, form);
        const { sessionId, knownBrowser } = await this.people.signIn(email, password, request);
        setSessionCookie(response, sessionId, this.config);
        setKnownBrowserCookie(response, knownBrowser, this.config);
        return returnPath(next);
      },
      (error) => this.render(next, { email: given, errors: fieldErrors(error) }),
    );
  }

  async signOut(request: Request, response: Response): Promise<FormAnswer> {
    this.authenticator.assertSameSite(request);
    await this.people.signOut(request);
    clearSessionCookie(response, this.config);
    return { path: LOGIN_PATH };
  }
}

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
