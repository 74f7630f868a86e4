import { Inject, Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { errorMessage } from '../platform/errors.js';
import { faultPoint } from '../platform/fault-points.js';
import { oneLine } from '../platform/wording.js';
import {
  type BehaviorEnd,
  type ClaimedBehavior,
  claimMail,
  claimWebhook,
  endBehaviorAttempt,
  renewBehaviorClaim,
} from './behavior-outbox.sql.js';
import { backOff, ClaimHolder, SENDING_TIMES, type SendingTimes } from './claims.js';
import { BehaviorQueue } from './delivery-queues.js';
import { isPermanentFault, Mailer, type OutgoingMail } from './mailer.js';
import { WebhookClient, WebhookFault } from './webhook-client.js';
import type { WebhookMessage } from './webhook-message.js';

/**
 * The mail of a behavior. Its Message-ID is the same on every attempt, so that receivers can drop a double; when
 * somebody asks for the mail to be sent again it is another, so that they do not.
 */
function behaviorMail(claim: ClaimedBehavior, publicUrl: string): OutgoingMail {
  const { recipient, subject, textBody, htmlBody, batchId, resends } = claim;
  const { hostname } = new URL(publicUrl);
  return {
    to: recipient,
    subject: subject ?? '',
    text: textBody ?? '',
    html: htmlBody,
    messageId: `<behavior-${identity(claim)}.${resends}@${hostname}>`,
    headers: {
      ...(batchId !== null && { 'X-Workflow-Import-Queue-Batch-Id': String(batchId) }),
      // Keeps out-of-office replies from answering (RFC 3834).
      'Auto-Submitted': 'auto-generated',
    },
  };
}

/** The webhook of a behavior. Its id is the same however often it is sent, also on request: it is about one event. */
function behaviorWebhook(claim: ClaimedBehavior): WebhookMessage {
  return { id: `behavior_${identity(claim)}`, body: claim.jsonBody ?? '', secret: claim.secret };
}

/** In no other message, also when a database is made new and counts from 1 again. */
function identity({ id, createdAt }: ClaimedBehavior): string {
  return `${id}_${createdAt.getTime()}`;
}

/** What an attempt came to; `not_due`: there was nothing to claim, `lost`: somebody else took over meanwhile. */
export type BehaviorAttempt = BehaviorEnd['status'] | 'not_due' | 'lost';

const NEVER = new AbortController().signal;

/**
 * Sends one owed mail or webhook, once, as `NotificationSender` does: claimed by a conditional UPDATE, and written
 * down only while the claim holds. In the one window that remains (taken by the receiver, not yet written down) it is
 * sent again, under the same id.
 */
@Injectable()
export class BehaviorSender {
  private readonly logger = new Logger(BehaviorSender.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly mailer: Mailer,
    private readonly webhooks: WebhookClient,
    private readonly queue: BehaviorQueue,
    private readonly config: AppConfig,
    @Inject(SENDING_TIMES) private readonly times: SendingTimes,
  ) {}

  /**
   * @param stop breaks the attempt off; it is then tried again
   * @throws Error only when PostgreSQL cannot be asked
   */
  async sendMail(behaviorId: number, stop: AbortSignal = NEVER): Promise<BehaviorAttempt> {
    return this.send(await claimMail(this.database, behaviorId, this.times.claimMs), stop);
  }

  /** As `sendMail`, the webhook to the host that waits longest. */
  async sendWebhook(host: string, stop: AbortSignal = NEVER): Promise<BehaviorAttempt> {
    return this.send(await claimWebhook(this.database, host, this.times.claimMs), stop);
  }

  private async send(claim: ClaimedBehavior | undefined, stop: AbortSignal): Promise<BehaviorAttempt> {
    if (claim === undefined) return 'not_due';
    const { claimMs } = this.times;
    const holder = new ClaimHolder(() => renewBehaviorClaim(this.database, claim, claimMs), claimMs);
    holder.hold();
    try {
      const end = await this.attempt(claim, AbortSignal.any([stop, holder.lost]));
      const written = await holder.whileHeld(() => endBehaviorAttempt(this.database, claim, end));
      this.report(claim, end, written);
      if (!written) return 'lost';
      if (end.status === 'pending') {
        await this.queue.add(claim.kind, [{ job: { behaviorId: claim.id }, delayMs: end.retryInMs }]);
      }
      return end.status;
    } finally {
      holder.release();
    }
  }

  private async attempt(claim: ClaimedBehavior, signal: AbortSignal): Promise<BehaviorEnd> {
    const retryInMs = backOff(claim.attempts - claim.attemptsBeforeResend, this.times.backOffMs);
    try {
      if (claim.kind === 'sendEmail' && !this.mailer.configured) {
        return { status: 'not_sent_no_smtp', error: null, retryInMs };
      }
      faultPoint('behavior.before-send');
      await this.deliver(claim, signal);
      faultPoint('behavior.after-accept');
      return { status: 'sent', error: null, retryInMs };
    } catch (error) {
      const message = oneLine(errorMessage(error));
      const isPermanent = error instanceof WebhookFault ? error.isPermanent : isPermanentFault(error);
      return { status: isPermanent ? 'failed' : 'pending', error: message, retryInMs };
    }
  }

  private deliver(claim: ClaimedBehavior, signal: AbortSignal): Promise<void> {
    if (claim.kind === 'webhook') return this.webhooks.post(claim.recipient, behaviorWebhook(claim), signal);
    return this.mailer.send(behaviorMail(claim, this.config.publicUrl), signal);
  }

  private report({ id, kind, batchId, attempts }: ClaimedBehavior, end: BehaviorEnd, written: boolean): void {
    const { status, error } = end;
    const entry = { behaviorId: id, kind, batchId, attempts, status, error };
    if (!written) this.logger.warn({ message: 'behavior was taken over by another worker', ...entry });
    else if (status === 'failed') this.logger.error({ message: 'behavior was refused for good', ...entry });
    else if (status === 'pending') this.logger.warn({ message: 'behavior is tried again', ...entry });
    else this.logger.debug({ message: 'behavior', ...entry });
  }
}
