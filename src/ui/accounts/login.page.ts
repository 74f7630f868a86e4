import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Authenticator } from '../../auth/authenticator.js';
import {
  clearPendingCookie,
  clearSessionCookie,
  LOGIN_PATH,
  pendingCookie,
  returnPath,
  setKnownBrowserCookie,
  setPendingCookie,
  setSessionCookie,
} from '../../auth/browser-session.js';
import { IdentityProvider, OIDC_PATH, type PendingSignIn } from '../../auth/identity-provider.js';
import { OidcSignIn } from '../../auth/oidc-sign-in.js';
import { Reauthentication } from '../../auth/reauthentication.js';
import { SignIn } from '../../auth/sign-in.js';
import { SignInDto } from '../../auth/users.dto.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FormAnswer } from '../forms.js';
import { withQuery } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

/** Where a signed-in user confirms the sign-in. */
export const CONFIRM_PATH = '/account/confirm';

/** The sign-in page, with its form, the way over the identity provider, and the sign-out button. */
@Injectable()
export class LoginPage {
  constructor(
    private readonly config: AppConfig,
    private readonly authenticator: Authenticator,
    private readonly people: SignIn,
    private readonly provider: IdentityProvider,
    private readonly providerSignIn: OidcSignIn,
    private readonly reauthentication: Reauthentication,
    private readonly pages: PageRenderer,
  ) {}

  render(next: unknown, more: object = {}): string {
    const { oidc, localSignIn } = this.config;
    const path = returnPath(next);
    return this.pages.render('accounts/login', {
      title: text('login.title'),
      next: path,
      local: localSignIn,
      provider: oidc && {
        name: oidc.name,
        path: withQuery(OIDC_PATH, { next: path }),
        signOutPath: `${OIDC_PATH}/sign-out`,
      },
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
    return { path: this.config.oidc === undefined ? LOGIN_PATH : `${LOGIN_PATH}?signed-out` };
  }

  /**
   * Leads to the identity provider.
   * @param confirms a signed-in user confirms the sign-in
   */
  beginAtProvider(next: unknown, confirms: boolean, response: Response): Promise<FormAnswer> {
    return this.atProvider(async () => {
      const path = confirms ? `${CONFIRM_PATH}?confirmed` : returnPath(next);
      const { url, pending } = await this.provider.begin(path, confirms);
      setPendingCookie(response, pending, this.config);
      return url;
    });
  }

  /** The identity provider has sent the browser back. */
  completeAtProvider(request: Request, response: Response): Promise<FormAnswer> {
    const pending = readPending(pendingCookie(request, this.config));
    clearPendingCookie(response, this.config);
    return this.atProvider(async () => {
      const query = /\?.*$/s.exec(request.originalUrl)?.[0] ?? '';
      if (pending?.confirms === true) {
        const principal = await this.authenticator.authenticate(request, true);
        await this.reauthentication.confirmAtProvider(query, pending, principal, request);
        return returnPath(pending.next);
      }
      const sessionId = await this.providerSignIn.complete(query, pending, request);
      setSessionCookie(response, sessionId, this.config);
      return returnPath(pending?.next);
    }, pending?.next);
  }

  signOutAtProvider(): Promise<FormAnswer> {
    return this.atProvider(() => this.provider.signOutUrl());
  }

  /** A refusal is the sign-in page with the reason, from which the user can try again. */
  private async atProvider(path: () => Promise<string>, next?: unknown): Promise<FormAnswer> {
    try {
      return { path: await path() };
    } catch (error) {
      if (!(error instanceof DomainError) || error.status === 404) throw error;
      const { status, message, options } = error;
      const html = this.render(next, { errors: { form: message } });
      return { status, html, ...(options.headers && { headers: options.headers }) };
    }
  }
}

function readPending(cookie: unknown): PendingSignIn | null {
  const { state, nonce, verifier, next, confirms } = (cookie ?? {}) as Partial<Record<string, unknown>>;
  const texts = [state, nonce, verifier, next];
  if (!texts.every((each): each is string => typeof each === 'string' && each !== '')) return null;
  return { state, nonce, verifier, next, confirms: confirms === true } as PendingSignIn;
}
