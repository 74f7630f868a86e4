import { MailerModule, MailerService } from '@nestjs-modules/mailer';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { errorMessage } from '../platform/errors.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { DeliveryFault, type MailContent } from './message.js';

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

/** What nodemailer reports about a failed delivery. */
interface DeliveryError {
  code?: unknown;
  responseCode?: unknown;
  /** The last line of the server. */
  response?: unknown;
  /** What the server answered. */
  command?: unknown;
}

/** The server, or nodemailer before asking it, refused the mail itself or its recipient. */
const ABOUT_THE_MAIL: readonly unknown[] = ['EENVELOPE', 'EMESSAGE'];

/**
 * 5xx that mean "authenticate first" or "not without TLS". They are about our configuration: once it is fixed, the
 * mails must still be there.
 */
const ABOUT_THE_CONFIGURATION: readonly unknown[] = [530, 534, 535, 538];
/** The enhanced status codes of RFC 3463 for security and policy: relaying, authentication, a sender that is refused. */
const ABOUT_POLICY = /^\d{3}[ -]5\.7\.\d/;

/**
 * Whether another attempt cannot succeed: the server refused this mail for good (5xx), or it could not even be offered.
 * Everything else may be over by the next attempt: 4xx, a server that is away, a wrong password, a greeting of 554. So
 * may a refused sender and a policy, which someone corrects in MAIL_FROM or at the relay.
 */
export function isPermanentFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, responseCode, response, command } = error as DeliveryError;
  if (!ABOUT_THE_MAIL.includes(code) || ABOUT_THE_CONFIGURATION.includes(responseCode)) return false;
  if (command === 'MAIL FROM' || ABOUT_POLICY.test(String(response))) return false;
  return typeof responseCode === 'number' ? responseCode >= 500 : true;
}

export interface OutgoingMail extends MailContent {
  /** One address. */
  to: string;
  messageId: string;
  headers: Readonly<Record<string, string>>;
}

/** A host that drops packets must not hold a sender for nodemailer's two minutes. */
const CONNECT_MS = 30_000;

/** Registers the mailer. It insists on a transport, so without SMTP_URL it gets one that sends nothing. */
export const MAILER_MODULE = MailerModule.forRootAsync({
  imports: [],
  inject: [AppConfig],
  useFactory: ({ smtpUrl, mailFrom }: AppConfig) => ({
    transport:
      smtpUrl === undefined ? { jsonTransport: true } : { url: smtpUrl, connectionTimeout: CONNECT_MS },
    // Our content never comes from a file or a URL, so nodemailer must not read any.
    defaults: { from: mailFrom, disableFileAccess: true, disableUrlAccess: true },
  }),
});

/** Hands mails to the SMTP server. Only this file knows the mailer. */
@Injectable()
export class Mailer {
  constructor(
    private readonly mailer: MailerService,
    private readonly config: AppConfig,
  ) {}

  /** Whether an SMTP server is configured. */
  get configured(): boolean {
    return this.config.smtpUrl !== undefined;
  }

  /**
   * Answers when the server has accepted the mail and with it the duty to deliver it.
   * @param signal aborts the connection
   * @throws DeliveryFault, also for a recipient whose domain is not allowed (any more)
   */
  async send({ to, headers, html, ...mail }: OutgoingMail, signal: AbortSignal): Promise<void> {
    if (!mayReceiveMail(this.config, to)) {
      throw new DeliveryFault('the domain of the recipient is not in MAIL_RECIPIENT_DOMAINS', true);
    }
    // nodemailer would write `-ID` for `-Id`. Case does not matter in names, but people search mails for text.
    const spelling = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), name]));
    const options = {
      ...mail,
      ...(html !== null && { html }),
      // As text, a comma would make one address two.
      to: { name: '', address: to },
      headers: { ...headers },
      normalizeHeaderKey: (name: string) => spelling.get(name.toLowerCase()) ?? name,
      // nodemailer knows this option; its separately published types do not yet.
      signal,
    };
    try {
      await this.mailer.sendMail(options);
    } catch (error) {
      throw new DeliveryFault(errorMessage(error), isPermanentFault(error), { cause: error });
    }
  }
}
