import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import type { CookieOptions, Request, Response } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { publicPath } from '../platform/http/answers.js';
import { type Principal, type SignInMethod, userPrincipal, type UserRole } from './principal.js';

/** A session ends after this long without use. */
const IDLE_HOURS = 12;
/** A session ends after this long even if it is in use. */
const LONGEST_HOURS = 7 * 24;

/**
 * The same for a session that began at the identity provider, which does not say when it takes a group away: this is
 * how long a lost group may still work.
 */
const LONGEST_PROVIDER_HOURS = 12;

type CookieConfig = Pick<AppConfig, 'publicUrl'>;

/** 256 random bits cannot be guessed, so the id needs no signature. */
const newSessionId = (): string => randomBytes(32).toString('base64url');

/**
 * Only this hash is stored and looked up, so that no reader of the database or of a backup can sign in with it. With
 * SESSION_SECRET set, no one who can write to the database can create a session either.
 */
export function hashSessionId(id: string, secret = ''): Buffer {
  return createHmac('sha256', secret).update(id).digest();
}

/** The id that the browser sent. Of several cookies with the name, the first, which has the most specific path. */
function sentSessionId(request: Request, config: CookieConfig): string | undefined {
  const value = sentCookie(request, cookieName(config));
  return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined;
}

function sentCookie({ headers: { cookie = '' } }: Request, wanted: string): string | undefined {
  for (const pair of cookie.split(';')) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === wanted) return value;
  }
  return undefined;
}

export function setSessionCookie(response: Response, id: string, config: CookieConfig): void {
  response.cookie(cookieName(config), id, { ...cookieAttributes(config), maxAge: LONGEST_HOURS * 3600_000 });
}

export function clearSessionCookie(response: Response, config: CookieConfig): void {
  response.clearCookie(cookieName(config), cookieAttributes(config));
  // What browsers keep of our pages, so that the back button shows the next person nothing.
  response.setHeader('Clear-Site-Data', '"cache", "storage"');
}

const KNOWN_BROWSER_DAYS = 180;

interface Account {
  email: string;
  passwordHash: string;
}

/**
 * Proves later that this browser has signed in to the account, so that failures elsewhere do not lock its user out. It
 * signs no one in. The password's hash is part of the key: a new password forgets all browsers.
 */
export function newKnownBrowser(account: Account, secret = ''): string {
  const id = randomBytes(16).toString('base64url');
  return `${id}.${proofOf(id, account, secret)}`;
}

/** The id of a browser that the account has signed in with before, or `null`. */
export function knownBrowserOf(
  request: Request,
  account: Account | undefined,
  config: CookieConfig & Pick<AppConfig, 'sessionSecret'>,
): string | null {
  const [id, proof] = sentCookie(request, knownBrowserName(config))?.split('.') ?? [];
  if (id === undefined || proof === undefined || account === undefined) return null;
  const expected = Buffer.from(proofOf(id, account, config.sessionSecret));
  const given = Buffer.from(proof);
  return given.length === expected.length && timingSafeEqual(given, expected) ? id : null;
}

const proofOf = (id: string, { email, passwordHash }: Account, secret = '') =>
  createHmac('sha256', `${secret}\n${passwordHash}`).update(`${email}\n${id}`).digest('base64url');

export function setKnownBrowserCookie(response: Response, value: string, config: CookieConfig): void {
  const maxAge = KNOWN_BROWSER_DAYS * 24 * 3600_000;
  response.cookie(knownBrowserName(config), value, { ...cookieAttributes(config), maxAge });
}

const knownBrowserName = (config: CookieConfig): string => `${namePrefix(config)}wiq_browser`;
const cookieName = (config: CookieConfig): string => `${namePrefix(config)}wiq_session`;

/** A sign-in with the identity provider takes no longer, or begins again. */
const PENDING_MINUTES = 15;

/** What the browser keeps while its user signs in with the identity provider. Only this browser can end the sign-in. */
export function setPendingCookie(response: Response, pending: object, config: CookieConfig): void {
  const value = Buffer.from(JSON.stringify(pending)).toString('base64url');
  const maxAge = PENDING_MINUTES * 60_000;
  response.cookie(pendingName(config), value, { ...cookieAttributes(config), maxAge });
}

export function clearPendingCookie(response: Response, config: CookieConfig): void {
  response.clearCookie(pendingName(config), cookieAttributes(config));
}

/** `null` without the cookie, or if it is not one of ours. */
export function pendingCookie(request: Request, config: CookieConfig): unknown {
  const value = sentCookie(request, pendingName(config));
  if (value === undefined) return null;
  try {
    return JSON.parse(Buffer.from(value, 'base64url').toString()) as unknown;
  } catch {
    return null;
  }
}

const pendingName = (config: CookieConfig): string => `${namePrefix(config)}wiq_pending`;

const isHttps = ({ publicUrl }: CookieConfig) => publicUrl.startsWith('https:');

/**
 * Browsers accept `__Host-` only over TLS and from this host itself, so that no neighboring host can plant the cookie,
 * and only for all paths. Below a path, other services have the same host, and the cookie must not reach them.
 */
function namePrefix(config: CookieConfig): string {
  if (!isHttps(config)) return '';
  return publicPath(config.publicUrl) === '' ? '__Host-' : '__Secure-';
}

/**
 * Lax, not Strict: a link in a mail must find its reader signed in, and the identity provider leads back from another
 * site. Writes prove their origin in another way. */
function cookieAttributes(config: CookieConfig): CookieOptions {
  const path = publicPath(config.publicUrl) || '/';
  return { httpOnly: true, sameSite: 'lax', secure: isHttps(config), path };
}

export const LOGIN_PATH = '/login';
/** Leads each user to the page that the user begins with. */
const HOME_PATH = '/';

const LONGEST_PATH = 2000;
const NOWHERE = 'http://here.invalid';

/**
 * The path of the sign-in page, which leads to the given path afterwards.
 * @param unsent a form was sent without a session, so its content is lost; the page reports it
 */
export function loginPath(returnTo?: string, unsent = false): string {
  const path = returnPath(returnTo);
  const query = new URLSearchParams({
    ...(path !== HOME_PATH && { next: path }),
    ...(unsent && { unsent: 'yes' }),
  }).toString();
  return query === '' ? LOGIN_PATH : `${LOGIN_PATH}?${query}`;
}

/**
 * The path to open after the sign-in, always on this site. `//host`, `/\host` and control characters that browsers drop
 * lead to another site once a browser has parsed them, so we parse the URL as a browser does before we judge it.
 */
export function returnPath(given: unknown): string {
  if (typeof given !== 'string' || given.length > LONGEST_PATH || !given.startsWith('/')) return HOME_PATH;
  if (!URL.canParse(given, NOWHERE)) return HOME_PATH;
  const { origin, pathname, search, hash } = new URL(given, NOWHERE);
  // "/.//host" parses to the path "//host", which would be a host if it were a Location of its own.
  if (origin !== NOWHERE || pathname.startsWith('//')) return HOME_PATH;
  if (/^\/(login|logout)?\/?$/i.test(pathname)) return HOME_PATH;
  return pathname + search + hash;
}

/*
 * Table user_session. A row is a session: an insert begins it, a delete ends it. Sessions also end by age and idle time;
 * retention deletes those rows later.
 */

/** SQL condition: neither age nor idle time has ended the session `s`. */
const SESSION_IS_ALIVE = `s.created_at > now() - CASE s.method WHEN 'oidc' THEN interval '${LONGEST_PROVIDER_HOURS} hours'
                                                               ELSE interval '${LONGEST_HOURS} hours' END
  AND s.last_seen_at > now() - interval '${IDLE_HOURS} hours'`;

/** Deletes sessions that age or idle time has ended, in one step; call it again while it returns the limit. */
export async function deleteEndedSessions(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM user_session WHERE session_hash IN (
       SELECT s.session_hash FROM user_session s WHERE NOT (${SESSION_IS_ALIVE}) LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount;
}

/** Ends all sessions of a user except the kept one. Returns how many sessions ended. */
export async function endSessions(sql: Sql, userId: number, kept: Buffer | null = null): Promise<number> {
  const { rowCount } = await sql.query(
    'DELETE FROM user_session WHERE user_id = $1 AND session_hash IS DISTINCT FROM $2',
    [userId, kept],
  );
  return rowCount;
}

/** A session as its owner sees it. */
export interface OwnSession {
  /** A UUID. */
  id: string;
  userAgent: string | null;
  /** The client address of the last recorded use. */
  address: string | null;
  createdAt: Date;
  /** To the minute. */
  lastSeenAt: Date;
  /** The session of the request. */
  current: boolean;
}

/** The sessions of a user, last used first. */
export async function selectSessions(sql: Sql, userId: number, current: Buffer): Promise<OwnSession[]> {
  const { rows } = await sql.query<OwnSession>(
    `SELECT s.session_id AS id, s.user_agent AS "userAgent", s.address, s.created_at AS "createdAt",
       s.last_seen_at AS "lastSeenAt", s.session_hash = $2 AS current
     FROM user_session s WHERE s.user_id = $1 AND ${SESSION_IS_ALIVE}
     ORDER BY current DESC, s.last_seen_at DESC, s.session_id DESC`,
    [userId, current],
  );
  return rows;
}

/** Ends one session of the user. Returns false if it has ended already or belongs to another user. */
export async function endSession(sql: Sql, userId: number, id: string): Promise<boolean> {
  const { rowCount } = await sql.query('DELETE FROM user_session WHERE user_id = $1 AND session_id = $2', [
    userId,
    id,
  ]);
  return rowCount > 0;
}

/** Its user has just proved who they are. */
export async function confirmSession(sql: Sql, sessionHash: Buffer): Promise<void> {
  await sql.query('UPDATE user_session SET confirmed_at = now() WHERE session_hash = $1', [sessionHash]);
}

/** Like `confirmSession`, if the session belongs to this user of the identity provider. Returns whether it does. */
export async function confirmIdentity(
  sql: Sql,
  sessionHash: Buffer,
  { issuer, subject }: { issuer: string; subject: string },
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE user_session s SET confirmed_at = now() FROM app_user u
     WHERE s.session_hash = $1 AND u.user_id = s.user_id AND u.oidc_issuer = $2 AND u.oidc_subject = $3`,
    [sessionHash, issuer, subject],
  );
  return rowCount > 0;
}

const LONGEST_USER_AGENT = 500;

interface FoundSession {
  sessionHash: Buffer;
  userId: number;
  email: string;
  role: UserRole;
  importProcessIds: number[] | null;
  passwordIsTemporary: boolean;
  method: SignInMethod;
  confirmedSecondsAgo: number;
  useIsStale: boolean;
}

/**
 * Keeps sessions in PostgreSQL, so that losing Redis signs no one out. One indexed query reads session and user
 * together, without a cache: a user who is disabled or signed out elsewhere is refused at the next request, in every
 * process.
 * Why: ADR 12.
 */
@Injectable()
export class SessionsService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(SessionsService.name);
  private readonly useWrites = new Set<Promise<void>>();

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** `null` without a session or with one that has ended. Without a cookie this needs no query. */
  async principalOf(request: Request): Promise<Principal | null> {
    const hash = this.sentHash(request);
    if (hash === null) return null;
    const { rows } = await this.database.query<FoundSession>(FIND, [hash]);
    const [found] = rows;
    if (found === undefined) return null;
    if (found.method === 'password' && !this.config.localSignIn) return null;
    if (found.useIsStale) this.recordUse(hash, request);
    return userPrincipal(found);
  }

  /** Begins a session under a new id, whichever id the browser sent: an id that someone planted becomes worthless. */
  async begin(sql: Sql, userId: number, request: Request, method: SignInMethod): Promise<string> {
    const id = newSessionId();
    await sql.query(
      'INSERT INTO user_session (session_hash, user_id, address, user_agent, method) VALUES ($1, $2, $3, $4, $5)',
      [
        hashSessionId(id, this.config.sessionSecret),
        userId,
        request.ip ?? null,
        request.get('user-agent')?.slice(0, LONGEST_USER_AGENT) ?? null,
        method,
      ],
    );
    return id;
  }

  /** Ends the session of the request, if it has one. */
  async end(sql: Sql, request: Request): Promise<void> {
    const hash = this.sentHash(request);
    if (hash !== null) await sql.query('DELETE FROM user_session WHERE session_hash = $1', [hash]);
  }

  private sentHash(request: Request): Buffer | null {
    const id = sentSessionId(request, this.config);
    return id === undefined ? null : hashSessionId(id, this.config.sessionSecret);
  }

  /** At most once a minute per session, and the request does not wait for it: authentication must stay cheap. */
  private recordUse(hash: Buffer, { ip }: Request): void {
    const write = this.database.query(RECORD_USE, [hash, ip ?? null]).then(
      () => undefined,
      (error: unknown) => this.logger.warn(`The use of a session was not recorded: ${String(error)}`),
    );
    this.useWrites.add(write);
    void write.finally(() => this.useWrites.delete(write));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.useWrites);
  }
}

const FIND = `
  SELECT s.session_hash AS "sessionHash", u.user_id AS "userId", u.email, u.role,
    u.import_process_ids AS "importProcessIds", u.password_is_temporary AS "passwordIsTemporary",
    s.method, extract(epoch FROM now() - s.confirmed_at)::float8 AS "confirmedSecondsAgo",
    s.last_seen_at < now() - interval '1 minute' AS "useIsStale"
  FROM user_session s JOIN app_user u USING (user_id)
  WHERE s.session_hash = $1 AND ${SESSION_IS_ALIVE} AND u.disabled_at IS NULL`;

// Repeats the condition, because another request may have recorded the use in between.
const RECORD_USE = `
  UPDATE user_session SET last_seen_at = now(), address = $2
  WHERE session_hash = $1 AND last_seen_at < now() - interval '1 minute'`;
