import { MailerModule, MailerService } from '@nestjs-modules/mailer';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';

/** What nodemailer tells of a failed delivery. */
interface DeliveryError {
  code?: unknown;
  responseCode?: unknown;
}

/** The mail itself, or whom it is for, was refused: by the server, or by nodemailer before it was asked. */
const ABOUT_THE_MAIL: readonly unknown[] = ['EENVELOPE', 'EMESSAGE'];

/**
 * 5xx that mean "authenticate first" or "not without TLS". They are about our configuration, and when that is mended
 * the mails must not be gone.
 */
const ABOUT_THE_CONFIGURATION: readonly unknown[] = [530, 534, 535, 538];

/**
 * Whether trying again cannot help: the server refused this mail for good (5xx), or it could not even be offered.
 * Everything else may be over by the next attempt: 4xx, a server that is away, a wrong password, a greeting of 554.
 */
export function isPermanentFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, responseCode } = error as DeliveryError;
  if (!ABOUT_THE_MAIL.includes(code) || ABOUT_THE_CONFIGURATION.includes(responseCode)) return false;
  return typeof responseCode === 'number' ? responseCode >= 500 : true;
}

export interface OutgoingMail {
  /** One address. As an object it stays one recipient, whatever it contains; as text, a comma would make it two. */
  to: string;
  subject: string;
  text: string;
  /** `null`: a mail of text only. */
  html: string | null;
  messageId: string;
  headers: Readonly<Record<string, string>>;
}

/** A host that drops packets must not keep a sender for nodemailer's two minutes. */
const CONNECT_MS = 30_000;

/** Registers the mailer. Without SMTP_URL its transport sends nothing, since it insists on having one. */
export const MAILER_MODULE = MailerModule.forRootAsync({
  imports: [],
  inject: [AppConfig],
  useFactory: ({ smtpUrl, mailFrom }: AppConfig) => ({
    transport:
      smtpUrl === undefined ? { jsonTransport: true } : { url: smtpUrl, connectionTimeout: CONNECT_MS },
    // No content of ours comes from a file or an address, so none ever may.
    defaults: { from: mailFrom, disableFileAccess: true, disableUrlAccess: true },
  }),
});

/** Hands mails to the SMTP server. The only file that knows the mailer. */
@Injectable()
export class Mailer {
  constructor(
    private readonly mailer: MailerService,
    private readonly config: AppConfig,
  ) {}

  /** Whether there is an SMTP server to send with. */
  get configured(): boolean {
    return this.config.smtpUrl !== undefined;
  }

  /**
   * Answers when the server has taken the mail over; it is then the server's to deliver.
   * @param signal breaks the connection off
   * @throws Error of nodemailer, see `isPermanentFault`
   */
  async send({ to, headers, html, ...mail }: OutgoingMail, signal: AbortSignal): Promise<void> {
    // nodemailer would write `-ID` for `-Id`. Names are equal in either case, but people search mails for text.
    const spelling = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), name]));
    const options = {
      ...mail,
      ...(html !== null && { html }),
      to: { name: '', address: to },
      headers: { ...headers },
      normalizeHeaderKey: (name: string) => spelling.get(name.toLowerCase()) ?? name,
      // nodemailer knows it, its separately published types do not yet.
      signal,
    };
    await this.mailer.sendMail(options);
  }
}
