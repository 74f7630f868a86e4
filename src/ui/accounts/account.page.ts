import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { clearSessionCookie, LOGIN_PATH } from '../../auth/browser-session.js';
import type { Principal } from '../../auth/principal.js';
import { ChangePasswordDto } from '../../auth/users.dto.js';
import { AccountService } from '../../auth/users.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FormAnswer } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { sessionView } from './session-list.js';

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
