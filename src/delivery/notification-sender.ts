import { Inject, Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { errorMessage } from '../platform/errors.js';
import { faultPoint } from '../platform/fault-points.js';
import { oneLine } from '../platform/wording.js';
import { backOff, ClaimHolder, SENDING_TIMES, type SendingTimes } from './claims.js';
import { isPermanentFault, Mailer, type OutgoingMail } from './mailer.js';
import { MessageRenderers } from './message-renderers.js';
import { NotificationOutbox } from './notification-outbox.js';
import {
  type ClaimedNotification,
  claimNotification,
  endNotificationAttempt,
  type NotificationEnd,
  renewNotificationClaim,
} from './notifications.sql.js';

/** What an attempt came to; `not_due`: there was nothing to claim, `lost`: somebody else took over meanwhile. */
export type NotificationAttempt = NotificationEnd['status'] | 'not_due' | 'lost';

/**
 * Sends one owed mail, exactly once. It is claimed by a conditional UPDATE, so of any number of jobs for it one
 * sends; what became of it is written only while the claim holds.
 *
 * One window remains, as with every SMTP client: the server has taken the mail (its 250), and we die, or the
 * connection does, before that is written. Then it is sent again, since the other choice is to lose it. The
 * Message-ID is the same both times, so receivers can drop the double.
 */
@Injectable()
export class NotificationSender {
  private readonly logger = new Logger(NotificationSender.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly renderers: MessageRenderers,
    private readonly mailer: Mailer,
    private readonly outbox: NotificationOutbox,
    @Inject(SENDING_TIMES) private readonly times: SendingTimes,
  ) {}

  /**
   * @param stop breaks the attempt off; the mail is then tried again
   * @throws Error only when PostgreSQL cannot be asked; the mail then comes up again when its claim runs out
   */
  async send(
    notificationId: number,
    stop: AbortSignal = new AbortController().signal,
  ): Promise<NotificationAttempt> {
    const claim = await claimNotification(this.database, notificationId, this.times.claimMs);
    if (claim === undefined) return 'not_due';
    const holder = this.holderOf(claim);
    holder.hold();
    try {
      const end = await this.attempt(claim, AbortSignal.any([stop, holder.lost]));
      const written = await holder.whileHeld(() => endNotificationAttempt(this.database, claim, end));
      this.report(claim, end, written);
      if (!written) return 'lost';
      if (end.status === 'pending') await this.outbox.wakeLater(claim.id, end.retryInMs);
      return end.status;
    } finally {
      holder.release();
    }
  }

  private holderOf(claim: ClaimedNotification): ClaimHolder {
    const { claimMs } = this.times;
    return new ClaimHolder(() => renewNotificationClaim(this.database, claim, claimMs), claimMs);
  }

  private async attempt(claim: ClaimedNotification, signal: AbortSignal): Promise<NotificationEnd> {
    const retryInMs = backOff(claim.attempts - claim.attemptsBeforeResend, this.times.backOffMs);
    let mail: OutgoingMail | null = null;
    try {
      mail = await this.renderers.render(claim);
      if (!this.mailer.configured) return { status: 'not_sent_no_smtp', mail, error: null, retryInMs };
      faultPoint('mail.before-send');
      await this.mailer.send(mail, signal);
      faultPoint('mail.after-accept');
      return { status: 'sent', mail, error: null, retryInMs };
    } catch (error) {
      const status = isPermanentFault(error) ? 'failed' : 'pending';
      return {
        status,
        mail,
        error: oneLine(errorMessage(error)),
        retryInMs,
      };
    }
  }

  private report(
    { id, batchId, attempts }: ClaimedNotification,
    end: NotificationEnd,
    written: boolean,
  ): void {
    const entry = { notificationId: id, batchId, attempts, status: end.status, error: end.error };
    if (!written) this.logger.warn({ message: 'mail was taken over by another worker', ...entry });
    else if (end.status === 'failed') this.logger.error({ message: 'mail was refused for good', ...entry });
    else if (end.status === 'pending') this.logger.warn({ message: 'mail is tried again', ...entry });
    else this.logger.log({ message: 'mail', ...entry });
  }
}
