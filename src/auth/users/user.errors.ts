import { DomainError } from '../../common/domain.error.js';

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
