import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../config/config.js';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { authenticationRequired, crossSiteRequest, invalidApiKey, signInFirst } from './auth.errors.js';
import { parseAuthorization } from './authorization-header.js';
import type { Principal } from './principal.js';
import { isCrossSiteWrite } from './same-origin.js';
import { loginPath } from './sessions/return-path.js';
import { SessionsService } from './sessions/sessions.service.js';

/** Who is asking: programs send an API key, the browser of a person who signed in sends the cookie of the session. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly config: AppConfig,
    private readonly keys: ApiKeyAuthentication,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * A key is looked at first, and a call that brings one asks nothing of the sessions.
   * @param page the answer is shown to a person, who is led to the sign-in page. On API routes a program could not
   *   tell that page from an answer.
   * @throws DomainError 401 (on pages 303) without valid credentials, 403 `cross_site_request`
   */
  async authenticate(request: Request, page: boolean): Promise<Principal> {
    const credentials = parseAuthorization(request.headers.authorization);
    if (credentials.scheme === 'apikey') {
      const principal = await this.keys.principalOf(credentials.key);
      if (principal === null) throw invalidApiKey();
      return principal;
    }
    if (credentials.scheme === 'unusable') throw authenticationRequired();

    const person = await this.sessions.principalOf(request);
    if (person === null) throw page ? signInOf(request) : authenticationRequired();
    this.assertOurOwnPage(request);
    return person;
  }

  /** @throws DomainError 403 `cross_site_request` for a write that no page of ours is known to have sent */
  assertOurOwnPage(request: Request): void {
    if (isCrossSiteWrite(request.method, request.headers, this.config.publicUrl)) throw crossSiteRequest();
  }
}

function signInOf(request: Request): Error {
  // htmx would follow a redirect and put the sign-in page into a corner of the page that is shown; this it obeys.
  const shown = request.get('hx-current-url');
  if (request.get('hx-request') !== undefined)
    return authenticationRequired({ 'HX-Redirect': loginPath(pathOf(shown)) });
  if (request.method === 'GET') return signInFirst(loginPath(request.originalUrl));
  // A form cannot be sent again by a redirect: back to the page it was on.
  const page = request.get('referer');
  return signInFirst(loginPath(isOurs(page, request) ? pathOf(page) : undefined, true));
}

/** By the name we were called by: the path is all that is taken of it, so that it leads nowhere else. */
function isOurs(url: string | undefined, request: Request): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).host === request.headers.host;
}

function pathOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return pathname + search;
}
