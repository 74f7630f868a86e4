import { Inject, Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { errorMessage } from '../platform/errors.js';
import { faultPoint } from '../platform/fault-points.js';
import { oneLine } from '../platform/wording.js';
import { backOff, ClaimHolder, SENDING_TIMES, type SendingTimes } from './claims.js';
import { endsWithin } from './deadline.js';
import { Mailer } from './mailer.js';
import {
  type ClaimedMessage,
  DeliveryFault,
  type MailContent,
  type MessageKey,
  type MessageKind,
} from './message.js';
import { MessageRenderers, type OutgoingMessage } from './message-renderers.js';
import { Outbox } from './outbox.js';
import { type AttemptEnd, claimMessage, claimNextMessage, endAttempt, renewClaim } from './outbox.sql.js';
import { WebhookClient } from './webhook-client.js';

/** The result of an attempt; `not_due`: nothing could be claimed, `lost`: another worker took over meanwhile. */
export type Attempt = AttemptEnd['status'] | 'not_due' | 'lost';

const NEVER = new AbortController().signal;

/**
 * Sends messages once each. A conditional UPDATE claims a message, so that of any number of jobs for it one sends, and
 * the result is written only while the claim holds.
 *
 * One window remains, as with every SMTP and HTTP client: the receiver has accepted the message and this process, or
 * the connection, dies before that is written. The message is then sent again under the same id, because the other
 * choice is to lose it. Receivers can recognize the double by the id.
 */
@Injectable()
export class MessageSender {
  private readonly logger = new Logger(MessageSender.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly renderers: MessageRenderers,
    private readonly mailer: Mailer,
    private readonly webhooks: WebhookClient,
    private readonly outbox: Outbox,
    @Inject(SENDING_TIMES) private readonly times: SendingTimes,
  ) {}

  /**
   * @param stop aborts the attempt; the message is then tried again
   * @throws Error only if PostgreSQL cannot be asked; the message comes up again when its claim runs out
   */
  async send(message: MessageKey, stop: AbortSignal = NEVER): Promise<Attempt> {
    return this.sendClaimed(await claimMessage(this.database, message, this.times.claimMs), stop);
  }

  /** As `send`, the message to the receiver that has waited longest. */
  async sendNext(kind: MessageKind, receiver: string, stop: AbortSignal = NEVER): Promise<Attempt> {
    return this.sendClaimed(await claimNextMessage(this.database, kind, receiver, this.times.claimMs), stop);
  }

  private async sendClaimed(claim: ClaimedMessage | undefined, stop: AbortSignal): Promise<Attempt> {
    if (claim === undefined) return 'not_due';
    const { claimMs } = this.times;
    const holder = new ClaimHolder(() => renewClaim(this.database, claim, claimMs), claimMs, stop);
    holder.hold();
    try {
      const end = await this.attempt(claim, holder.signal);
      const written = await holder.whileHeld(() => endAttempt(this.database, claim, end));
      this.report(claim, end, written);
      if (!written) return 'lost';
      if (end.status === 'pending') await this.outbox.wake(claim.kind, [claim.id], end.retryInMs);
      return end.status;
    } finally {
      holder.release();
    }
  }

  private async attempt(claim: ClaimedMessage, signal: AbortSignal): Promise<AttemptEnd> {
    let content: MailContent | null = null;
    try {
      const outgoing = await this.renderers.render(claim);
      content = newContent(claim, outgoing);
      if (outgoing.channel === 'mail' && !this.mailer.configured) {
        return { status: 'not_sent_no_smtp', error: null, retryInMs: 0, content };
      }
      faultPoint('message.before-send');
      await this.deliver(outgoing, signal);
      faultPoint('message.after-accept');
      return { status: 'sent', error: null, retryInMs: 0, content };
    } catch (error) {
      return { ...this.failure(claim, error), error: oneLine(errorMessage(error)), content };
    }
  }

  /** Whether and when the message is tried again: at the earliest when its receiver asked for it. */
  private failure(claim: ClaimedMessage, error: unknown): Pick<AttemptEnd, 'status' | 'retryInMs'> {
    const { isPermanent = false, retryAfterMs = 0 } = error instanceof DeliveryFault ? error : {};
    const leftMs =
      claim.kind === 'behavior_webhook' ? this.times.webhookRetriesMs - claim.owedForMs : Infinity;
    if (isPermanent || leftMs <= 0) return { status: 'failed', retryInMs: 0 };
    const backOffMs = backOff(claim.attempts - claim.attemptsBeforeResend, this.times.backOffMs);
    return { status: 'pending', retryInMs: Math.min(Math.max(backOffMs, retryAfterMs), leftMs) };
  }

  private deliver(outgoing: OutgoingMessage, signal: AbortSignal): Promise<void> {
    const { webhookCallMs, mailCallMs } = this.times;
    if (outgoing.channel === 'webhook') {
      return endsWithin(webhookCallMs, signal, (ends) => this.webhooks.post(outgoing.webhook, ends));
    }
    return endsWithin(mailCallMs, signal, (ends) => this.mailer.send(outgoing.mail, ends));
  }

  private report(claim: ClaimedMessage, { status, error }: AttemptEnd, written: boolean): void {
    const { kind, id, batchId, attempts } = claim;
    const entry = { kind, messageId: id, batchId, attempts, status, error };
    if (!written) this.logger.warn({ message: 'another worker took the delivery over', ...entry });
    else if (status === 'failed') this.logger.error({ message: 'delivery was refused for good', ...entry });
    else if (status === 'pending') this.logger.warn({ message: 'delivery will be tried again', ...entry });
    // There is one per batch, but as many others as there are records.
    else if (kind === 'batch_mail') this.logger.log({ message: 'delivery ended', ...entry });
    else this.logger.debug({ message: 'delivery ended', ...entry });
  }
}

/** The mail as it goes out, if that is not what the outbox has: only then is it written. */
function newContent(claim: ClaimedMessage, outgoing: OutgoingMessage): MailContent | null {
  if (outgoing.channel !== 'mail') return null;
  const { subject, text, html } = outgoing.mail;
  const isStored = subject === claim.subject && text === claim.text && html === claim.html;
  return isStored ? null : { subject, text, html };
}
