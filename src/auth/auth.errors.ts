import { DomainError } from '../platform/domain-error.js';
import type { Permission } from './principal.js';

/** How programs sign in; a browser is led to the sign-in page instead. */
const CHALLENGE = { 'WWW-Authenticate': 'apikey' };

export function authenticationRequired(headers: Readonly<Record<string, string>> = {}): DomainError {
  return new DomainError(
    401,
    'authentication_required',
    'Credentials are needed',
    'Send an API key as "Authorization: apikey <key>", or sign in at /login.',
    { headers: { ...CHALLENGE, ...headers } },
  );
}

/** Unknown, revoked and expired read the same: who guesses keys must not learn that one used to exist. */
export function invalidApiKey(): DomainError {
  return new DomainError(
    401,
    'invalid_api_key',
    'The API key is not valid',
    'The API key is unknown, revoked or expired. Ask an administrator for another one.',
    { headers: CHALLENGE },
  );
}

/** To the sign-in page, and from there back to what was asked for. */
export function signInFirst(path: string): DomainError {
  return new DomainError(
    303,
    'sign_in_required',
    'Sign in first',
    'This page is for people who are signed in.',
    {
      headers: { Location: path, 'Cache-Control': 'no-store' },
    },
  );
}

/** Unknown address, wrong password and disabled user read the same. */
export function invalidSignIn(): DomainError {
  return new DomainError(
    401,
    'invalid_sign_in',
    'The sign-in failed',
    'The e-mail address or the password is wrong.',
    { headers: CHALLENGE },
  );
}

export function tooManyFailedSignIns(retryAfterSeconds: number): DomainError {
  return new DomainError(
    429,
    'too_many_failed_sign_ins',
    'Too many failed sign-ins',
    `Too many sign-ins from this address or to this account failed. Try again in ${Math.ceil(retryAfterSeconds / 60)} minutes.`,
    { headers: { 'Retry-After': String(retryAfterSeconds) } },
  );
}

export function crossSiteRequest(): DomainError {
  return new DomainError(
    403,
    'cross_site_request',
    'The request comes from another site',
    'Where a browser is signed in, only our own pages may change things, and the request must say that it comes from one: with Sec-Fetch-Site or Origin. Programs use an API key instead.',
  );
}

export function permissionDenied(anyOf: readonly Permission[]): DomainError {
  return new DomainError(
    403,
    'permission_denied',
    'The credentials lack a permission',
    `This needs the permission ${anyOf.join(' or ')}, which these credentials do not have. Ask an administrator for it.`,
  );
}

export function administratorRequired(): DomainError {
  return new DomainError(
    403,
    'permission_denied',
    'The credentials lack a permission',
    'Only an administrator may open this. API keys are not administrators: sign in with e-mail and password.',
  );
}

export function personRequired(): DomainError {
  return new DomainError(
    403,
    'permission_denied',
    'The credentials lack a permission',
    'This is about the account of a person. API keys have none: sign in with e-mail and password.',
  );
}

export function importProcessNotAllowed(importProcessId: number): DomainError {
  return new DomainError(
    403,
    'import_process_not_allowed',
    'The credentials are not allowed for this import process',
    `These credentials may not use import process ${importProcessId}. Ask an administrator to add it to the API key.`,
  );
}

/** Else a limited key could make itself an unlimited one. */
export function grantsMoreThanHeld(what: string): DomainError {
  return new DomainError(
    403,
    'permission_denied',
    'The credentials lack a permission',
    `A key cannot be given more than its maker holds: ${what}.`,
  );
}

export function apiKeyNotFound(id: string): DomainError {
  return new DomainError(
    404,
    'api_key_not_found',
    'There is no such API key',
    `There is no API key ${id}. GET /API/ApiKeys lists those there are.`,
  );
}

export function userNotFound(id: string): DomainError {
  return new DomainError(404, 'user_not_found', 'There is no such user', `There is no user ${id}.`);
}

export function emailTaken(email: string, cause: unknown): DomainError {
  const message = `${email} is the address of another user`;
  return new DomainError(409, 'email_taken', 'The address is taken', `${message}.`, {
    cause,
    errors: [{ pointer: '/email', code: 'email_taken', message }],
  });
}

/** Else nobody would be left who could make one. */
export function lastAdministrator(): DomainError {
  return new DomainError(
    409,
    'last_administrator',
    'The last administrator stays',
    'This is the only administrator who can sign in. Make another user an administrator first.',
  );
}

export function unusablePassword(field: string, message: string): DomainError {
  return new DomainError(400, 'unusable_password', 'The password is not usable', `${message}.`, {
    errors: [{ pointer: `/${field}`, code: 'unusable_password', message }],
  });
}
