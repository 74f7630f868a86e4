import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { ApiKeyAuthentication } from './api-key-authentication.js';
import { authenticationRequired, crossSiteRequest, invalidApiKey, signInFirst } from './auth.errors.js';
import { loginPath } from './browser-session.js';
import type { Principal } from './principal.js';
import { SessionsService } from './sessions.service.js';

/** What an `Authorization` header says. */
export type Credentials =
  | { scheme: 'apikey'; key: string }
  /** No header, or one with a scheme that is not ours: a proxy before us may have its own. */
  | { scheme: 'none' }
  /** Our scheme with something after it that cannot be a key. */
  | { scheme: 'unusable' };

/** Reads `apikey <key>`; names of schemes are case-insensitive (RFC 9110). */
export function parseAuthorization(header: string | undefined): Credentials {
  const [, scheme = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(header ?? '') ?? [];
  if (scheme.toLowerCase() !== 'apikey') return { scheme: 'none' };
  return /^[\x21-\x7e]{1,512}$/.test(rest) ? { scheme: 'apikey', key: rest } : { scheme: 'unusable' };
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Is the request a write that a page of another site may have made the browser send? The browser attaches the cookie
 * of a session to requests for our origin, whoever asked for them, so such writes must prove where they come from.
 * `Sec-Fetch-Site` cannot be set by scripts and says it outright; browsers leave it out on plain HTTP, where `Origin`
 * (sent with every write for years) is compared. With neither nothing is proven, and the write is refused.
 * A token in each form would do the same, at the price of a change to every form and every client.
 */
export function isCrossSiteWrite(
  method: string,
  headers: Pick<IncomingHttpHeaders, 'sec-fetch-site' | 'origin' | 'host'>,
  publicUrl: string,
): boolean {
  if (SAFE_METHODS.has(method)) return false;
  const site = headers['sec-fetch-site'];
  // "none": typed or bookmarked, not sent by a page. "same-site" is another origin, and not trusted.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = headers;
  if (origin === undefined || !URL.canParse(origin)) return true;
  const us = new URL(publicUrl);
  if (origin === us.origin) return false;
  // Behind a proxy Host may be an inner name, and PUBLIC_URL the outer one; both are us. But where the outer one is
  // https, the same name on plain http is not us: anybody on the way can write such a page.
  const { host } = new URL(origin);
  return host !== headers.host || host === us.host;
}

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
