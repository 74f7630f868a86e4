import type { AppConfig } from '../platform/config/config.js';
import { invalidParameters } from '../platform/http/http.errors.js';

type RecipientRules = Pick<AppConfig, 'mailRecipientDomains'>;

/** Whether we may send mail to the address: MAIL_RECIPIENT_DOMAINS, exactly or as `*.example.org`; unset allows any. */
export function mayReceiveMail({ mailRecipientDomains: allowed }: RecipientRules, address: string): boolean {
  if (allowed === undefined) return true;
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
  return allowed.some((pattern) =>
    pattern.startsWith('*.') ? domain.endsWith(pattern.slice(1)) : domain === pattern,
  );
}

/** @throws DomainError 400 `invalid_parameter` that names each parameter whose address may not receive mail */
export function assertMayReceiveMail(
  rules: RecipientRules,
  recipients: Readonly<Partial<Record<string, string | null>>>,
): void {
  const refused = Object.entries(recipients).filter(
    ([, address]) => address !== undefined && address !== null && !mayReceiveMail(rules, address),
  );
  if (refused.length === 0) return;
  throw invalidParameters(
    refused.map(([parameter]) => ({
      parameter,
      code: 'invalid_parameter',
      message: `${parameter} must be an address in a domain to which this installation sends mail (MAIL_RECIPIENT_DOMAINS)`,
    })),
  );
}
