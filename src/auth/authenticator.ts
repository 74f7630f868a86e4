import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { authenticationRequired, crossSiteRequest, invalidApiKey, signInFirst } from './auth.errors.js';
import { loginPath } from './browser-session.js';
import type { Principal } from './principal.js';
import { SessionsService } from './sessions.service.js';

/** The content of an `Authorization` header. */
export type Credentials =
  | { scheme: 'key'; key: string }
  /** No header, or one with a scheme that we do not use: a proxy in front of us may have its own. */
  | { scheme: 'none' }
  /** Our scheme, followed by something that cannot be a key. */
  | { scheme: 'unusable' };

/** Reads `apikey <key>` or `Bearer <key>`; scheme names are case-insensitive (RFC 9110). */
export function parseAuthorization(header: string | undefined): Credentials {
  const [, scheme = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(header ?? '') ?? [];
  if (!KEY_SCHEMES.has(scheme.toLowerCase())) return { scheme: 'none' };
  return /^[\x21-\x7e]{1,512}$/.test(rest) ? { scheme: 'key', key: rest } : { scheme: 'unusable' };
}

/** The second is for clients that know no schemes but Basic and Bearer. */
const KEY_SCHEMES: ReadonlySet<string> = new Set(['apikey', 'bearer']);
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Tells whether a page of another site may have made the browser send this write. The browser attaches the session
 * cookie to every request for our origin, whichever page caused it, so writes must prove where they come from.
 * `Sec-Fetch-Site` cannot be set by scripts and states the site directly. Browsers omit it on plain HTTP; there we
 * compare `Origin`, which they have sent with every write for years. A write with neither header proves nothing and is
 * refused. A token in each form would do the same, at the price of a change to every form and every client.
 */
export function isCrossSiteWrite(
  method: string,
  headers: Pick<IncomingHttpHeaders, 'sec-fetch-site' | 'origin' | 'host'>,
  publicUrl: string,
): boolean {
  if (SAFE_METHODS.has(method)) return false;
  const site = headers['sec-fetch-site'];
  // "none": typed or bookmarked, not sent by a page. "same-site" is a different origin, which we do not trust.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = headers;
  if (origin === undefined || !URL.canParse(origin)) return true;
  const us = new URL(publicUrl);
  if (origin === us.origin) return false;
  // Behind a proxy, Host may be an inner name and PUBLIC_URL the outer one; both are our own. If the outer one is https,
  // the same name on plain http is not: anyone on the network path can write such a page.
  const { host } = new URL(origin);
  return host !== headers.host || host === us.host;
}

/** Finds the principal of a request: programs send an API key, browsers the cookie of a session. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly config: AppConfig,
    private readonly keys: ApiKeyAuthentication,
    private readonly sessions: SessionsService,
  ) {}

  /**
   * A key takes precedence: a call with a key does not use the session.
   * @param page the route answers HTML, so a visitor without a session is sent to the sign-in page. On API routes a
   *   program could not tell that page from an answer.
   * @throws DomainError 401 (on pages 303) without valid credentials, 403 `cross_site_request`
   */
  async authenticate(request: Request, page: boolean): Promise<Principal> {
    const credentials = parseAuthorization(request.headers.authorization);
    if (credentials.scheme === 'key') {
      const principal = await this.keys.principalOf(credentials.key);
      if (principal === null) throw invalidApiKey();
      return principal;
    }
    if (credentials.scheme === 'unusable') throw authenticationRequired();

    const user = await this.sessions.principalOf(request);
    if (user === null) throw page ? signInRedirect(request) : authenticationRequired();
    this.assertSameSite(request);
    return user;
  }

  /** @throws DomainError 403 `cross_site_request` for a write that may come from a page of another site */
  assertSameSite(request: Request): void {
    if (isCrossSiteWrite(request.method, request.headers, this.config.publicUrl)) throw crossSiteRequest();
  }
}

function signInRedirect(request: Request): Error {
  // htmx would follow a redirect and insert the sign-in page into part of the current page, but it obeys this header.
  const shown = request.get('hx-current-url');
  if (request.get('hx-request') !== undefined)
    return authenticationRequired({ 'HX-Redirect': loginPath(pathOf(shown)) });
  if (request.method === 'GET') return signInFirst(loginPath(request.originalUrl));
  // A redirect cannot send a form again, so the sign-in leads back to the page of the form.
  const page = request.get('referer');
  return signInFirst(loginPath(isOurs(page, request) ? pathOf(page) : undefined, true));
}

/** Compares with the host name of the request. Only the path of the URL is used, so that it leads nowhere else. */
function isOurs(url: string | undefined, request: Request): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).host === request.headers.host;
}

function pathOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return pathname + search;
}
