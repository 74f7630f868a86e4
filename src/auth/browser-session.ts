import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import type { AppConfig } from '../platform/config/config.js';
import { publicPath } from '../platform/http/headers.js';

/** A session ends after this long without use. */
export const IDLE_HOURS = 12;
/** A session ends after this long even if it is in use. */
export const LONGEST_HOURS = 7 * 24;

/**
 * The same for a session that began at the identity provider, which does not say when it takes a group away: this is
 * how long a lost group may still work.
 */
export const LONGEST_PROVIDER_HOURS = 12;

type CookieConfig = Pick<AppConfig, 'publicUrl'>;

/** 256 random bits cannot be guessed, so the id needs no signature. */
export const newSessionId = (): string => randomBytes(32).toString('base64url');

/**
 * Only this hash is stored and looked up, so that no reader of the database or of a backup can sign in with it. With
 * SESSION_SECRET set, no one who can write to the database can create a session either.
 */
export function hashSessionId(id: string, secret = ''): Buffer {
  return createHmac('sha256', secret).update(id).digest();
}

/** The id that the browser sent. Of several cookies with the name, the first, which has the most specific path. */
export function sentSessionId(request: Request, config: CookieConfig): string | undefined {
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
