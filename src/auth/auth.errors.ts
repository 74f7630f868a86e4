import { defineErrors, type DomainError } from '../platform/errors.js';
import { invalidBody } from '../platform/http/http.errors.js';
import type { Permission } from './principal.js';

const errors = defineErrors({
  authentication_required: { status: 401, title: 'Credentials are needed' },
  invalid_api_key: { status: 401, title: 'The API key is not valid' },
  sign_in_required: { status: 303, title: 'Sign in first' },
  invalid_sign_in: { status: 401, title: 'The sign-in failed' },
  too_many_failed_sign_ins: { status: 429, title: 'Too many failed sign-ins' },
  too_many_sign_ins: { status: 503, title: 'Too many sign-ins at once' },
  cross_site_request: { status: 403, title: 'The request comes from another site' },
  permission_denied: { status: 403, title: 'The credentials lack a permission' },
  import_process_not_allowed: {
    status: 403,
    title: 'The credentials are not allowed for this import process',
  },
  api_key_not_found: { status: 404, title: 'There is no such API key' },
  user_not_found: { status: 404, title: 'There is no such user' },
  session_not_found: { status: 404, title: 'There is no such session' },
  email_taken: { status: 409, title: 'The address is taken' },
  password_change_required: { status: 403, title: 'The password must be changed first' },
  confirmation_required: { status: 403, title: 'The sign-in must be confirmed first' },
  last_administrator: { status: 409, title: 'The last administrator stays' },
  mail_is_off: { status: 409, title: 'No mail can be sent' },
  account_link_invalid: { status: 410, title: 'The link does not work' },
  unusable_password: { status: 400, title: 'The password is not usable' },
  invalid_idempotency_key: { status: 400, title: 'The Idempotency-Key is not valid' },
  idempotency_key_in_use: { status: 409, title: 'The Idempotency-Key is in use' },
  idempotency_answer_lost: { status: 409, title: 'The answer was lost' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used for a different request' },
});

/** How programs authenticate; a browser is sent to the sign-in page instead. */
const CHALLENGE = { 'WWW-Authenticate': 'apikey, Bearer' };

export function authenticationRequired(headers: Readonly<Record<string, string>> = {}): DomainError {
  return errors.authentication_required(
    'Send an API key as "Authorization: apikey <key>" or "Authorization: Bearer <key>", or sign in at /login.',
    { headers: { ...CHALLENGE, ...headers } },
  );
}

/** Unknown, revoked and expired keys get the same answer: anyone who guesses must not learn that a key existed. */
export function invalidApiKey(): DomainError {
  return errors.invalid_api_key(
    'The API key is unknown, revoked or expired. Ask an administrator for another one.',
    { headers: CHALLENGE },
  );
}

/** Redirects to the sign-in page, which leads back to the page that was asked for. */
export function signInFirst(path: string): DomainError {
  return errors.sign_in_required('This page is for users who are signed in.', {
    headers: { Location: path, 'Cache-Control': 'no-store' },
  });
}

/** An unknown address, a wrong password and a disabled user get the same answer. */
export function invalidSignIn(): DomainError {
  return errors.invalid_sign_in('The e-mail address or the password is wrong.', { headers: CHALLENGE });
}

export function tooManyFailedSignIns(retryAfterSeconds: number): DomainError {
  const minutes = Math.ceil(retryAfterSeconds / 60);
  return errors.too_many_failed_sign_ins(
    `Too many sign-ins from this address or to this account failed. Try again in ${minutes} minutes.`,
    { headers: { 'Retry-After': String(retryAfterSeconds) } },
  );
}

export function tooManySignIns(): DomainError {
  return errors.too_many_sign_ins(
    'More users are signing in than the server can handle. Try again in a few seconds.',
    { headers: { 'Retry-After': '5' } },
  );
}

export function crossSiteRequest(): DomainError {
  return errors.cross_site_request(
    'When a browser is signed in, only pages of this site may change data, and the request must show that it comes from one, with Sec-Fetch-Site or Origin. Programs use an API key instead.',
  );
}

export function permissionDenied(anyOf: readonly Permission[]): DomainError {
  return errors.permission_denied(
    `This needs the permission ${anyOf.join(' or ')}, which these credentials do not have. Ask an administrator for it.`,
  );
}

export function administratorRequired(): DomainError {
  return errors.permission_denied(
    'Only an administrator may open this. API keys are not administrators: sign in with e-mail address and password.',
  );
}

export function personRequired(): DomainError {
  return errors.permission_denied(
    'This belongs to the account of a user. API keys have none: sign in with e-mail address and password.',
  );
}

export function importProcessNotAllowed(importProcessId: number): DomainError {
  return errors.import_process_not_allowed(
    `These credentials may not use import process ${importProcessId}. Ask an administrator to allow it.`,
  );
}

export function everyImportProcessNeeded(): DomainError {
  return errors.import_process_not_allowed(
    'This covers all import processes, and these credentials may use only some of them.',
  );
}

/** Without this a limited key could create an unlimited one. */
export function grantsMoreThanHeld(what: string): DomainError {
  return errors.permission_denied(`A key cannot have more than its creator has: ${what}.`);
}

/** Without this a caller who only configures could lock out those who administer. */
export function revokesMoreThanHeld(name: string): DomainError {
  return errors.permission_denied(
    `The key "${name}" has the permission Administer, so only a caller with that permission can revoke it.`,
  );
}

export function apiKeyNotFound(id: string): DomainError {
  return errors.api_key_not_found(`There is no API key ${id}. GET /API/ApiKeys lists the existing ones.`);
}

export function userNotFound(id: string): DomainError {
  return errors.user_not_found(`There is no user ${id}.`);
}

export function sessionNotFound(id: string): DomainError {
  return errors.session_not_found(`You have no session ${id}. It may have ended already.`);
}

export function emailTaken(email: string, cause: unknown): DomainError {
  const message = `${email} is the address of another user`;
  return errors.email_taken(`${message}.`, {
    cause,
    errors: [{ pointer: '/email', code: 'email_taken', message }],
  });
}

/** @param page sends the browser to the account instead of an answer it cannot use */
export function passwordChangeRequired(page: boolean): DomainError {
  const detail = 'Someone else has set this password. Change it at /account before you go on.';
  if (!page) return errors.password_change_required(detail);
  return errors.sign_in_required(detail, {
    headers: { Location: '/account?temporary', 'Cache-Control': 'no-store' },
  });
}

export function confirmationRequired(minutes: number): DomainError {
  return errors.confirmation_required(
    `The last sign-in is more than ${minutes} minutes ago. Confirm it at /account/confirm, then try again.`,
  );
}

/** Without an administrator no one could create another. */
export function lastAdministrator(): DomainError {
  return errors.last_administrator(
    'This is the only administrator who can sign in. Make another user an administrator first.',
  );
}

/** Whoever manages users and configuration reaches every import process anyway. */
export function limitedAdministrator(): DomainError {
  const message = 'an administrator cannot be limited to file types';
  return invalidBody([{ pointer: '/importProcessIds', code: 'invalid_value', message }]);
}

export function mailIsOff(): DomainError {
  return errors.mail_is_off(
    'No mail can be sent, because SMTP_URL is not set or LOCAL_SIGN_IN is false. Set a password and give it to the user instead.',
    {
      errors: [
        { pointer: '/password', code: 'mail_is_off', message: 'a password is required, because mail is off' },
      ],
    },
  );
}

/** Unknown, used, replaced and expired links get the same answer. */
export function accountLinkInvalid(): DomainError {
  return errors.account_link_invalid(
    'This link was used before, has expired, or was replaced by a newer one. Ask for another one.',
  );
}

export function unusablePassword(field: string, message: string): DomainError {
  return errors.unusable_password(`${message}.`, {
    errors: [{ pointer: `/${field}`, code: 'unusable_password', message }],
  });
}

export function invalidIdempotencyKey(): DomainError {
  const code = 'invalid_idempotency_key';
  const message = 'must be 1 to 255 visible ASCII characters';
  return errors[code]('An Idempotency-Key has 1 to 255 visible ASCII characters.', {
    errors: [{ parameter: 'Idempotency-Key', code, message }],
  });
}

export function idempotencyKeyInUse(): DomainError {
  return errors.idempotency_key_in_use(
    'A call with this Idempotency-Key is still running. Wait for its answer, then send the same call again to get it.',
    { headers: { 'Retry-After': '5' } },
  );
}

export function idempotencyKeyReused(): DomainError {
  return errors.idempotency_key_reused(
    'This Idempotency-Key belongs to a call with other parameters or another body. Use a new key for a new call.',
  );
}

/** The process died between the commit and the answer, or the caller has signed in again since. */
export function idempotencyAnswerLost(): DomainError {
  return errors.idempotency_answer_lost(
    'The call with this Idempotency-Key was carried out, but its answer cannot be repeated. Look at what it changed; do not send it again.',
  );
}

/** Errors of the sign-in at an identity provider. */
const oidcErrors = defineErrors({
  oidc_not_configured: { status: 404, title: 'No identity provider is configured' },
  oidc_unavailable: { status: 503, title: 'The identity provider does not answer' },
  oidc_sign_in_failed: { status: 401, title: 'The sign-in with the identity provider failed' },
  oidc_no_role: { status: 403, title: 'No group of the user has a role' },
  oidc_no_email: { status: 403, title: 'The identity provider names no address' },
  oidc_email_taken: { status: 403, title: 'The address belongs to another user' },
  oidc_user_disabled: { status: 403, title: 'The user is disabled' },
  managed_by_provider: { status: 409, title: 'The identity provider decides this' },
  local_sign_in_off: { status: 403, title: 'Passwords are not accepted' },
});

export function oidcNotConfigured(): DomainError {
  return oidcErrors.oidc_not_configured('No identity provider is configured. Sign in at /login.');
}

export function oidcUnavailable(name: string, cause: unknown): DomainError {
  return oidcErrors.oidc_unavailable(`${name} does not answer. Try again in a minute.`, {
    cause,
    headers: { 'Retry-After': '60' },
  });
}

/** Says nothing of the reason, which the log has: it concerns the provider or an attacker, never the user. */
export function oidcSignInFailed(name: string, cause: unknown): DomainError {
  return oidcErrors.oidc_sign_in_failed(`The sign-in with ${name} failed or took too long. Sign in again.`, {
    cause,
  });
}

export function oidcNoRole(name: string): DomainError {
  return oidcErrors.oidc_no_role(
    `None of your groups at ${name} may use this service. Ask an administrator to add you to one.`,
  );
}

export function oidcNoEmail(name: string): DomainError {
  return oidcErrors.oidc_no_email(
    `${name} does not name your e-mail address. Ask an administrator to include the claim email.`,
  );
}

/** Linking an address that the provider has not verified would give the account to whoever claims the address. */
export function oidcEmailTaken(name: string, email: string): DomainError {
  return oidcErrors.oidc_email_taken(
    `There is another user ${email}, and ${name} does not state that the address was verified as yours. Ask an administrator.`,
  );
}

export function oidcUserDisabled(): DomainError {
  return oidcErrors.oidc_user_disabled('Your user is disabled. Ask an administrator to enable it.');
}

export function managedByProvider(name: string): DomainError {
  return oidcErrors.managed_by_provider(
    `This user signs in with ${name}, which decides about password and role. Change them there.`,
  );
}

export function localSignInOff(): DomainError {
  return oidcErrors.local_sign_in_off('Passwords are not accepted here. Sign in with the identity provider.');
}
