import { createHmac, randomBytes } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import type { AppConfig } from '../../config/config.js';

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
  response.cookie(cookieName(config), id, { ...attributes(config), maxAge: LONGEST_HOURS * 3600_000 });
}

export function clearSessionCookie(response: Response, config: CookieConfig): void {
  response.clearCookie(cookieName(config), attributes(config));
}

const isHttps = ({ publicUrl }: CookieConfig) => publicUrl.startsWith('https:');

/** Browsers take `__Host-` only over TLS and from this very host: no neighbouring host can plant a cookie of ours. */
export const cookieName = (config: CookieConfig): string =>
  isHttps(config) ? '__Host-wiq_session' : 'wiq_session';

/** Lax, not Strict: the link in a mail must find its reader signed in. Writes prove their origin themselves. */
function attributes(config: CookieConfig): CookieOptions {
  return { httpOnly: true, sameSite: 'lax', secure: isHttps(config), path: '/' };
}
