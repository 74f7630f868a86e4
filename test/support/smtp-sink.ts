import type { AddressInfo } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

/** What the sink answers instead of accepting a mail: 4xx asks to try again later, 5xx never again. */
export interface Refusal {
  code: number;
  message: string;
  at: 'MAIL FROM' | 'RCPT TO';
}

/**
 * A real SMTP server in the test process that keeps every mail it accepts, parsed. Attempts are counted
 * also when they are refused, so that a test can wait for "has tried three times".
 */
export class SmtpSink {
  readonly mails: ParsedMail[] = [];
  /** Mails a client offered (MAIL FROM), accepted or not. */
  attempts = 0;
  private refusal: Refusal | undefined;
  private held: (() => void)[] | undefined;
  private server: SMTPServer | undefined;
  private port = 0;

  /** Listens on a free loopback port. */
  static async start(): Promise<SmtpSink> {
    const sink = new SmtpSink();
    await sink.up();
    return sink;
  }

  /** For SMTP_URL; stays the same while the server is down and up again. */
  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** The mails whose `To` names the address, oldest first. */
  mailsTo(address: string): ParsedMail[] {
    return this.mails.filter(({ to }) =>
      [to ?? []].flat().some(({ value }) => value.some((recipient) => recipient.address === address)),
    );
  }

  /** Refuses every recipient (or sender) from now on, for example with 451 (try again) or 550 (no such mailbox). */
  refuseWith(code: number, message = 'refused by the test', at: Refusal['at'] = 'RCPT TO'): void {
    this.refusal = { code, message, at };
  }

  accept(): void {
    this.refusal = undefined;
  }

  /** Lets every client wait for the answer to its MAIL FROM, as a slow server does. */
  hold(): void {
    this.held ??= [];
  }

  /** Clients that wait. */
  get waiting(): number {
    return this.held?.length ?? 0;
  }

  /** Answers those that wait, and all that come. */
  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const answer of held) answer();
  }

  private refusalAt(command: Refusal['at']): Error | undefined {
    if (this.refusal?.at !== command) return undefined;
    return Object.assign(new Error(this.refusal.message), { responseCode: this.refusal.code });
  }

  /** Nothing listens any more; open connections are closed. */
  async down(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(resolve));
  }

  /** Listens again, on the port it had. */
  async up(): Promise<void> {
    const server = new SMTPServer({
      authOptional: true,
      // Its certificate would be self-signed, and a client that offers STARTTLS must refuse that.
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: 50,
      onMailFrom: (_address, _session, callback) => {
        this.attempts++;
        const answer = () => callback(this.refusalAt('MAIL FROM'));
        if (this.held) this.held.push(answer);
        else answer();
      },
      onRcptTo: (_address, _session, callback) => callback(this.refusalAt('RCPT TO')),
      onData: (stream, _session, callback) => {
        simpleParser(stream).then(
          (mail) => {
            this.mails.push(mail);
            callback();
          },
          (error: Error) => callback(error),
        );
      },
    });
    // A client that leaves in the middle is not a fault of the server.
    server.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.server.address() as AddressInfo).port;
    this.server = server;
  }
}
