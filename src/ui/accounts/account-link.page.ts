import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AccountLinks } from '../../auth/account-links.js';
import { Authenticator } from '../../auth/authenticator.js';
import { LOGIN_PATH } from '../../auth/browser-session.js';
import { ForgottenPasswordDto, NewPasswordDto } from '../../auth/users.dto.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

const FORGOTTEN_PATH = `${LOGIN_PATH}/forgotten`;
const LINK_PATH = `${LOGIN_PATH}/link`;

/** The pages for people without a password: who forgot it, and who follow a link to set one. */
@Injectable()
export class AccountLinkPage {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly links: AccountLinks,
    private readonly pages: PageRenderer,
  ) {}

  renderForgotten(more: { sent?: boolean; email?: unknown; errors?: FieldErrors } = {}): string {
    return this.pages.render('accounts/forgotten', {
      title: text('forgotten.title'),
      action: FORGOTTEN_PATH,
      available: this.links.available,
      ...more,
    });
  }

  /** Answers the same whether or not a user has the address. */
  request(form: unknown, request: Request): Promise<FormAnswer> {
    this.authenticator.assertSameSite(request);
    const { email } = (form ?? {}) as { email?: unknown };
    return answerForm(
      async () => {
        await this.links.requestReset(validateForm(ForgottenPasswordDto, form).email, request);
        return `${FORGOTTEN_PATH}?sent`;
      },
      (error) => this.renderForgotten({ email, errors: fieldErrors(error) }),
    );
  }

  /** Opening the page does not use the link up: programs that check mails open links, too. */
  async renderLink(token: unknown, errors: FieldErrors = {}): Promise<string> {
    const given = typeof token === 'string' ? token : '';
    const { email, purpose } = await this.links.find(given);
    return this.pages.render('accounts/link', {
      title: text(`link.titles.${purpose}`),
      action: LINK_PATH,
      token: given,
      email,
      errors,
    });
  }

  setPassword(form: unknown, request: Request): Promise<FormAnswer> {
    this.authenticator.assertSameSite(request);
    const { token } = (form ?? {}) as { token?: unknown };
    return answerForm(
      async () => {
        await this.links.setPassword(validateForm(NewPasswordDto, form));
        return `${LOGIN_PATH}?password-set`;
      },
      (error) => this.renderLink(token, fieldErrors(error)),
    );
  }
}
