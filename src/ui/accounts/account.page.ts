import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Authenticator } from '../../auth/authenticator.js';
import { clearSessionCookie, LOGIN_PATH, returnPath, setSessionCookie } from '../../auth/browser-session.js';
import type { Principal } from '../../auth/principal.js';
import { SignIn } from '../../auth/sign-in.js';
import { ChangePasswordDto, SignInDto } from '../../auth/users.dto.js';
import { AccountService } from '../../auth/users.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';

/** The sign-in page, and what its form and the sign-out button do. */
@Injectable()
export class LoginPage {
  constructor(
    private readonly config: AppConfig,
    private readonly authenticator: Authenticator,
    private readonly people: SignIn,
    private readonly pages: PageRenderer,
  ) {}

  render(next: unknown, more: object = {}): string {
    return this.pages.render('accounts/login', { title: 'Sign in', next: returnPath(next), ...more });
  }

  async signIn(form: unknown, request: Request, response: Response): Promise<void> {
    // A page of another site must not sign its visitor in as somebody else either.
    this.authenticator.assertSameSite(request);
    const { email: given, next } = (form ?? {}) as { email?: unknown; next?: unknown };
    await answerForm(
      response,
      async () => {
        const { email, password } = validateForm(SignInDto, form);
        setSessionCookie(response, await this.people.signIn(email, password, request), this.config);
        return returnPath(next);
      },
      (errors) => this.render(next, { email: given, errors }),
    );
  }

  async signOut(request: Request, response: Response): Promise<void> {
    this.authenticator.assertSameSite(request);
    await this.people.signOut(request);
    clearSessionCookie(response, this.config);
    response.set('Cache-Control', 'no-store').redirect(303, LOGIN_PATH);
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

  render({ name, user }: Principal, more: object = {}): string {
    return this.pages.render('accounts/account', {
      title: 'Your account',
      section: 'account',
      email: name,
      role: user?.role,
      ...more,
    });
  }

  changePassword(form: unknown, principal: Principal, request: Request, response: Response): Promise<void> {
    return answerForm(
      response,
      async () => {
        await this.account.changePassword(validateForm(ChangePasswordDto, form), principal, request);
        return '/account?changed';
      },
      (errors) => this.render(principal, { errors }),
    );
  }

  async signOutEverywhere(principal: Principal, response: Response): Promise<void> {
    await this.account.signOutEverywhere(principal);
    clearSessionCookie(response, this.config);
    response.set('Cache-Control', 'no-store').redirect(303, LOGIN_PATH);
  }
}
