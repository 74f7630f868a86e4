import { isEmail, ValidateBy } from 'class-validator';

/**
 * An address, or a name and an address in angle brackets. A comma outside quotes would make two senders of it. A dot
 * may stand in a name without quotes, which `@IsEmail` refuses: "Example Inc." is what people write, and mailers quote it.
 */
const MAILBOX =
  /^(?:(?:"(?:[^"\\\r\n]|\\[^\r\n])*" *|[^",:;<>@\r\n]*)<(?<bracketed>[^<>]+)>|(?<bare>[^<>]+))$/;

/** One address, with or without a display name. */
export function IsMailbox(): PropertyDecorator {
  return ValidateBy({
    name: 'isMailbox',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isMailbox(value),
      defaultMessage: () =>
        '$property must be one address, or Name <address> (a name with a comma, a colon or an @ in double quotes)',
    },
  });
}

function isMailbox(text: string): boolean {
  const { bracketed, bare } = MAILBOX.exec(text)?.groups ?? {};
  return isEmail(bracketed ?? bare, { require_tld: false, allow_ip_domain: true, allow_underscores: true });
}
