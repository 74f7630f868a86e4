import { defineErrors, type DomainError } from '../platform/domain-error.js';
import { httpErrors } from '../platform/http/http.errors.js';

const errors = defineErrors({
  mail_not_found: { status: 404, title: 'Mail not found' },
});

export function mailNotFound(id: string): DomainError {
  return errors.mail_not_found(`Mail ${id} does not exist.`);
}

export function mailIsBeingSent(id: number): DomainError {
  return httpErrors.state_conflict(
    `Mail ${id} is being sent at this moment. Look at it again later, and resend it if that is still needed.`,
    { extensions: { currentStatus: 'sending' } },
  );
}
