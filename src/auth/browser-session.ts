import { createHmac, randomBytes } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import type { AppConfig } from '../platform/config/config.js';

/** A session that is not used for so long ends. */
export const IDLE_HOURS = 12;
/** However much it is used, a session ends after so long. */
export const LONGEST_HOURS = 7 * 24;

type CookieConfig = Pick<AppConfig, 'publicUrl'>;

/** 256 random bits: nothing to guess, so nothing to sign. */
export const newSessionId = (): string => randomBytes(32).toString('base64url');

/**
 * What is stored and looked up instead of the id, so that no reader of the database or of a backup can sign in with
 * what is there. With SESSION_SECRET set, nobody who writes to the database can make a session either.
 */
export function hashSessionId(id: string, secret = ''): Buffer {
  return createHmac('sha256', secret).update(id).digest();
}

/** The id the browser sent. Several cookies of the name: the first, as the browser holds it to be the nearest. */
export function sentSessionId(request: Request, config: CookieConfig): string | undefined {
  const { cookie = '' } = request.headers;
  for (const pair of cookie.split(';')) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === cookieName(config)) return /^[\w-]{43}$/.test(value) ? value : undefined;
  }
  return undefined;
}

export function setSessionCookie(response: Response, id: string, config: CookieConfig): void {
  response.cookie(cookieName(config), id, { ...cookieAttributes(config), maxAge: LONGEST_HOURS * 3600_000 });
}

export function clearSessionCookie(response: Response, config: CookieConfig): void {
  response.clearCookie(cookieName(config), cookieAttributes(config));
}

const isHttps = ({ publicUrl }: CookieConfig) => publicUrl.startsWith('https:');

/** Browsers take `__Host-` only over TLS and from this very host: no neighbouring host can plant a cookie of ours. */
export const cookieName = (config: CookieConfig): string =>
  isHttps(config) ? '__Host-wiq_session' : 'wiq_session';

/** Lax, not Strict: the link in a mail must find its reader signed in. Writes prove their origin themselves. */
function cookieAttributes(config: CookieConfig): CookieOptions {
  return { httpOnly: true, sameSite: 'lax', secure: isHttps(config), path: '/' };
}

export const LOGIN_PATH = '/login';
/** Recent Imports. */
export const HOME_PATH = '/imports';

const LONGEST_PATH = 2000;
const NOWHERE = 'http://here.invalid';

/**
 * The sign-in page, which afterwards leads to the path.
 * @param unsent a form was sent without a session, and what it held is lost: the page says so
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
 * Where to go after the sign-in: a path of ours, whatever was given. `//host`, `/\host` and control characters that
 * browsers drop all lead elsewhere once a browser has read them, so the URL is read as a browser does and judged then.
 */
export function returnPath(given: unknown): string {
  if (typeof given !== 'string' || given.length > LONGEST_PATH || !given.startsWith('/')) return HOME_PATH;
  if (!URL.canParse(given, NOWHERE)) return HOME_PATH;
  const { origin, pathname, search, hash } = new URL(given, NOWHERE);
  // "/.//host" is read as the path "//host", which as a Location of its own would be a host.
  if (origin !== NOWHERE || pathname.startsWith('//')) return HOME_PATH;
  if (/^\/(login|logout)?\/?$/i.test(pathname)) return HOME_PATH;
  return pathname + search + hash;
}
