import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Authenticator } from '../../auth/authenticator.js';
import { SignInDto } from '../../auth/dto/sign-in.dto.js';
import { LOGIN_PATH, returnPath } from '../../auth/sessions/return-path.js';
import { clearSessionCookie, setSessionCookie } from '../../auth/sessions/session-cookie.js';
import { SignIn } from '../../auth/sign-in.js';
import { validateForm } from '../../common/http/validate-form.js';
import { AppConfig } from '../../config/config.js';
import { answerForm } from './answer-form.js';
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
    this.authenticator.assertOurOwnPage(request);
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
    this.authenticator.assertOurOwnPage(request);
    await this.people.signOut(request);
    clearSessionCookie(response, this.config);
    response.set('Cache-Control', 'no-store').redirect(303, LOGIN_PATH);
  }
}
