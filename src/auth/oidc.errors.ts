import { defineErrors, type DomainError } from '../platform/domain-error.js';

const errors = defineErrors({
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
  return errors.oidc_not_configured('No identity provider is configured. Sign in at /login.');
}

export function oidcUnavailable(name: string, cause: unknown): DomainError {
  return errors.oidc_unavailable(`${name} does not answer. Try again in a minute.`, {
    cause,
    headers: { 'Retry-After': '60' },
  });
}

/** Says nothing of the reason, which the log has: it concerns the provider or an attacker, never the user. */
export function oidcSignInFailed(name: string, cause: unknown): DomainError {
  return errors.oidc_sign_in_failed(`The sign-in with ${name} failed or took too long. Sign in again.`, {
    cause,
  });
}

export function oidcNoRole(name: string): DomainError {
  return errors.oidc_no_role(
    `None of your groups at ${name} may use this service. Ask an administrator to add you to one.`,
  );
}

export function oidcNoEmail(name: string): DomainError {
  return errors.oidc_no_email(
    `${name} does not name your e-mail address. Ask an administrator to include the claim email.`,
  );
}

/** Linking an address that the provider has not verified would give the account to whoever claims the address. */
export function oidcEmailTaken(name: string, email: string): DomainError {
  return errors.oidc_email_taken(
    `There is another user ${email}, and ${name} does not state that the address was verified as yours. Ask an administrator.`,
  );
}

export function oidcUserDisabled(): DomainError {
  return errors.oidc_user_disabled('Your user is disabled. Ask an administrator to enable it.');
}

export function managedByProvider(name: string): DomainError {
  return errors.managed_by_provider(
    `This user signs in with ${name}, which decides about password and role. Change them there.`,
  );
}

export function localSignInOff(): DomainError {
  return errors.local_sign_in_off('Passwords are not accepted here. Sign in with the identity provider.');
}
