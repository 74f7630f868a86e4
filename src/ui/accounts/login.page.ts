import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { type Observable, of } from 'rxjs';
import type { AuthenticatedRequest } from '../../auth/access.js';
import { AccountLinks } from '../../auth/account-links.js';
import { Authenticator } from '../../auth/authenticator.js';
import { IdentityProvider, OIDC_PATH, type PendingSignIn } from '../../auth/identity-provider.js';
import type { Principal } from '../../auth/principal.js';
import {
  clearPendingCookie,
  clearSessionCookie,
  LOGIN_PATH,
  pendingCookie,
  returnPath,
  setKnownBrowserCookie,
  setPendingCookie,
  setSessionCookie,
} from '../../auth/sessions.service.js';
import { OidcSignIn, Reauthentication, SignIn } from '../../auth/sign-in.js';
import { ForgottenPasswordDto, NewPasswordDto, SignInDto } from '../../auth/users.dto.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/errors.js';
import { validateForm } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer, sendFormAnswer } from '../forms.js';
import { withQuery } from '../layout/navigation.js';
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

/** The page that asks the user to confirm the sign-in, and keeps what was entered in the form before it. */
@Injectable()
export class ConfirmSignInPage {
  constructor(
    private readonly config: AppConfig,
    private readonly pages: PageRenderer,
  ) {}

  /**
   * @param form what was entered; the page sends it again, with the password
   * @param action the path that the form was sent to
   */
  render(
    { name, user }: Principal,
    action: string,
    form: Readonly<Record<string, unknown>> = {},
    { errors = {}, confirmed = false }: { errors?: FieldErrors; confirmed?: boolean } = {},
  ): string {
    const fields = Object.entries(form).flatMap(([field, values]) =>
      [values].flat().map((value) => ({ field, value })),
    );
    return this.pages.render('accounts/confirm', {
      title: text('confirm.title'),
      section: 'account',
      minutes: this.config.confirmSignInMinutes,
      email: name,
      provider: user?.method === 'oidc' ? this.config.oidc?.name : undefined,
      providerPath: `${OIDC_PATH}?confirm`,
      action,
      fields,
      errors,
      confirmed,
    });
  }
}

/**
 * Asks for the password in front of every form of a controller, if the last sign-in is too old. The answer to the
 * question is sent to the address of the form, together with its fields, so that nothing is lost.
 */
@Injectable()
export class ConfirmSignIn implements NestInterceptor {
  constructor(
    private readonly reauthentication: Reauthentication,
    private readonly page: ConfirmSignInPage,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const { principal, method, originalUrl } = request;
    if (method !== 'POST') return next.handle();
    const { confirmPassword, ...form } = { ...(request.body as Record<string, unknown> | undefined) };
    // The rules of the form do not know this field.
    request.body = form;
    if (!this.reauthentication.isDue(principal)) return next.handle();

    const ask = (errors: FieldErrors = {}) => this.page.render(principal, originalUrl, form, { errors });
    const response = http.getResponse<Response>();
    if (typeof confirmPassword !== 'string' || confirmPassword === '') {
      sendFormAnswer(response, { status: 403, html: ask() });
      return of(undefined);
    }
    const answer = await answerForm(
      async () => {
        await this.reauthentication.confirm(principal, confirmPassword, request);
        return originalUrl;
      },
      (error) => ask(fieldErrors(error)),
    );
    if ('path' in answer) return next.handle();
    sendFormAnswer(response, answer);
    return of(undefined);
  }
}
