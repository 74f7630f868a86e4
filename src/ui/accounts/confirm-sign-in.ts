import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Response } from 'express';
import { type Observable, of } from 'rxjs';
import type { AuthenticatedRequest } from '../../auth/access.js';
import { OIDC_PATH } from '../../auth/identity-provider.js';
import type { Principal } from '../../auth/principal.js';
import { Reauthentication } from '../../auth/reauthentication.js';
import { AppConfig } from '../../platform/config/config.js';
import { answerForm, fieldErrors, type FieldErrors, sendFormAnswer } from '../forms.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

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
