import { MailerModule, MailerService } from '@nestjs-modules/mailer';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { errorMessage } from '../platform/errors.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { DeliveryFault, type MailContent } from './message.js';

type RecipientRules = Pick<AppConfig, 'mailRecipientDomains'>;

/**
 * Whether MAIL_RECIPIENT_DOMAINS allows the address: exact domains or `*.example.org`; if unset, it allows any address.
 */
export function mayReceiveMail({ mailRecipientDomains: allowed }: RecipientRules, address: string): boolean {
  if (allowed === undefined) return true;
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
  return allowed.some((pattern) =>
    pattern.startsWith('*.') ? domain.endsWith(pattern.slice(1)) : domain === pattern,
  );
}

/** @throws DomainError 400 `invalid_parameter` that names each parameter with an address that must not receive mail */
export function assertMayReceiveMail(
  rules: RecipientRules,
  /** Addresses separated by commas, by parameter. */
  recipients: Readonly<Partial<Record<string, string | null>>>,
): void {
  const refused = Object.entries(recipients).filter(
    ([, addresses]) =>
      addresses != null && !addresses.split(',').every((address) => mayReceiveMail(rules, address.trim())),
  );
  if (refused.length === 0) return;
  throw invalidParameters(
    refused.map(([parameter]) => ({
      parameter,
      code: 'invalid_parameter',
      message: `${parameter} must be addresses in domains to which this installation sends mail (MAIL_RECIPIENT_DOMAINS)`,
    })),
  );
}

/** The error that nodemailer reports for a failed delivery. */
interface DeliveryError {
  code?: unknown;
  responseCode?: unknown;
  /** The last line that the server sent. */
  response?: unknown;
  /** The command that the server answered. */
  command?: unknown;
}

/** The server, or nodemailer before it contacted the server, refused the mail itself or its recipient. */
const ABOUT_THE_MAIL: readonly unknown[] = ['EENVELOPE', 'EMESSAGE'];

/**
 * 5xx codes for "authenticate first" or "TLS required". Our configuration causes them, so the mails must be kept until
 * it is fixed.
 */
const ABOUT_THE_CONFIGURATION: readonly unknown[] = [530, 534, 535, 538];
/** The enhanced status codes of RFC 3463 for security and policy: relaying, authentication, a refused sender. */
const ABOUT_POLICY = /^\d{3}[ -]5\.7\.\d/;

/**
 * Whether no further attempt can succeed: the server refused this mail permanently (5xx), or the mail could not even be
 * offered. Every other fault can be gone at the next attempt: 4xx, a server that is down, a wrong password, a greeting
 * of 554. The same holds for a refused sender and for a policy, which an administrator corrects in MAIL_FROM or at the
 * relay.
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

/** Bytes of text in one encoded word, whose form in base64 must fit into 75 characters. */
const ENCODED_WORD_BYTES = 42;

/**
 * A header that clients show as the text is. nodemailer leaves ASCII as it is, but clients decode what looks like an
 * encoded word (RFC 2047): a file name could so become another text. Encoded itself, it is shown as it was written.
 */
export function literalHeader(text: string): string {
  if (!text.includes('=?')) return text;
  const words: string[] = [];
  let word = '';
  for (const character of text) {
    if (Buffer.byteLength(word + character) > ENCODED_WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`).join(' ');
}

/** A host that drops packets must not hold a sender for the two minutes that are nodemailer's default. */
const CONNECT_MS = 30_000;

/**
 * Without TLS, everyone on the path reads the password and the mails. `?requireTLS=false` in the URL allows it for a
 * server on a private network.
 */
export function isLoopback(smtpUrl: string): boolean {
  const { hostname } = new URL(smtpUrl);
  return /^(localhost|127(\.\d+){3}|\[::1\])$/i.test(hostname);
}

/** Registers the mailer. The module requires a transport, so without SMTP_URL it gets one that sends nothing. */
export const MAILER_MODULE = MailerModule.forRootAsync({
  imports: [],
  inject: [AppConfig],
  useFactory: ({ smtpUrl, mailFrom }: AppConfig) => ({
    transport:
      smtpUrl === undefined
        ? { jsonTransport: true }
        : { url: smtpUrl, connectionTimeout: CONNECT_MS, requireTLS: !isLoopback(smtpUrl) },
    // Our content never comes from a file or a URL, so nodemailer must not read either.
    defaults: { from: mailFrom, disableFileAccess: true, disableUrlAccess: true },
  }),
});

/** Passes mails to the SMTP server. Only this file uses the mailer. */
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
   * Resolves when the server has accepted the mail, and with it the responsibility for delivery.
   * @param signal aborts the connection
   * @throws DeliveryFault, also for a recipient whose domain is not allowed or no longer allowed
   */
  async send({ to, headers, html, ...mail }: OutgoingMail, signal: AbortSignal): Promise<void> {
    if (!mayReceiveMail(this.config, to)) {
      throw new DeliveryFault('the domain of the recipient is not in MAIL_RECIPIENT_DOMAINS', true);
    }
    // nodemailer would write `-ID` for `-Id`. Header names are case-insensitive, but people search mails for the exact
    // text.
    const spelling = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), name]));
    const options = {
      ...mail,
      subject: literalHeader(mail.subject),
      ...(html !== null && { html }),
      // If the address were passed as text, a comma would split it into two addresses.
      to: { name: '', address: to },
      headers: { ...headers },
      normalizeHeaderKey: (name: string) => spelling.get(name.toLowerCase()) ?? name,
      // nodemailer supports this option; its separately published types do not yet.
      signal,
    };
    try {
      await this.mailer.sendMail(options);
    } catch (error) {
      throw new DeliveryFault(errorMessage(error), isPermanentFault(error), { cause: error });
    }
  }
}
