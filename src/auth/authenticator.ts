import { createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { recordKeyUsage, selectActiveKey } from './api-keys.sql.js';
import { authenticationRequired, crossSiteRequest, invalidApiKey, signInFirst } from './auth.errors.js';
import { PERMISSIONS, type Principal } from './principal.js';
import { loginPath, SessionsService } from './sessions.service.js';

/** 256 random bits. People and secret scanners recognize our keys by the prefix. */
export function newKey(): string {
  return `wiq_${randomBytes(32).toString('base64url')}`;
}

/**
 * Only this hash is stored and looked up. The index compares digests, not keys: the time of a lookup reveals something
 * about the digest of a guess, from which no key can be derived. The lookup is therefore as safe as a comparison in
 * constant time, and needs no list of keys in memory, which every revocation would have to reach.
 */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** The first characters, by which people tell keys apart. */
export function keyHint(key: string): string {
  return key.slice(0, key.startsWith('wiq_') ? 8 : 4);
}

/**
 * Finds the principal of a key by one indexed query, without a cache: a revocation takes effect with the next call, in
 * every process. The query costs a fraction of a millisecond; a cache would need to learn of revocations elsewhere.
 */
@Injectable()
export class ApiKeyAuthentication implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ApiKeyAuthentication.name);
  private readonly usageWrites = new Map<number, Promise<void>>();

  constructor(private readonly database: DatabaseService) {}

  /** `null` for a key that is unknown, revoked or expired. */
  async principalOf(key: string): Promise<Principal | null> {
    const found = await selectActiveKey(this.database, hashKey(key));
    if (found === undefined) return null;
    if (found.usageIsStale) this.recordUsage(found.id);
    return {
      id: `api-key:${found.id}`,
      name: found.name,
      permissions: PERMISSIONS.filter((permission) => found.permissions.includes(permission)),
      importProcessIds: found.importProcessIds,
      administrator: false,
    };
  }

  /** At most once a minute per key, and the call does not wait for it: authentication must stay cheap. */
  private recordUsage(id: number): void {
    if (this.usageWrites.has(id)) return;
    const write = recordKeyUsage(this.database, id).catch((error: unknown) =>
      this.logger.warn(`lastUsedAt of API key ${id} was not written: ${String(error)}`),
    );
    this.usageWrites.set(
      id,
      write.finally(() => this.usageWrites.delete(id)),
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.usageWrites.values());
  }
}

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

/** The second is for clients that support only the schemes Basic and Bearer. */
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

/** The display name of each principal who created something: the name of an API key, the e-mail address of a user. */
export type NameOf = (id: string) => string;

const SOURCES = [
  { prefix: 'api-key:', select: 'SELECT api_key_id AS id, name FROM api_key WHERE api_key_id' },
  { prefix: 'user:', select: 'SELECT user_id AS id, email AS name FROM app_user WHERE user_id' },
];

/** Ids of principals that are neither a key nor a user, and ids of neither, are their own names. */
export async function creatorNames(sql: Sql, ids: readonly string[]): Promise<NameOf> {
  const names = new Map<string, string>();
  for (const { prefix, select } of SOURCES) {
    const numbers = ids.filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
    const wanted = [...new Set(numbers)].filter((number) => /^\d{1,15}$/.test(number));
    if (wanted.length === 0) continue;
    const { rows } = await sql.query<{ id: number; name: string }>(`${select} = ANY ($1::bigint[])`, [
      wanted,
    ]);
    for (const { id, name } of rows) names.set(prefix + id, name);
  }
  return (id) => names.get(id) ?? id;
}

/** `creatorNames` for callers that hold no connection. */
@Injectable()
export class CreatorNames {
  constructor(private readonly database: DatabaseService) {}

  of(ids: readonly string[]): Promise<NameOf> {
    return creatorNames(this.database, ids);
  }
}
