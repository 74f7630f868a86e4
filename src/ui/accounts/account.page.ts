import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AccountService } from '../../auth/account.service.js';
import { ChangePasswordDto } from '../../auth/dto/change-password.dto.js';
import type { Principal } from '../../auth/principal.js';
import { LOGIN_PATH } from '../../auth/sessions/return-path.js';
import { clearSessionCookie } from '../../auth/sessions/session-cookie.js';
import { validateForm } from '../../common/http/validate-form.js';
import { AppConfig } from '../../config/config.js';
import { PageRenderer } from '../page-renderer.js';
import { answerForm } from './answer-form.js';

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
