import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { errorMessage } from '../platform/errors.js';
import { faultPoint, inSpan } from '../platform/instrumentation.js';
import { oneLine } from '../platform/wording.js';
import { Mailer, type OutgoingMail } from './mailer.js';
import {
  type ClaimedMessage,
  DeliveryFault,
  type MailContent,
  type MessageKey,
  type MessageKind,
  WEBHOOK_KINDS,
  type WebhookKind,
} from './message.js';
import { Outbox } from './outbox.js';
import { type AttemptEnd, claimMessage, claimNextMessage, endAttempt, renewClaim } from './outbox.sql.js';
import { WebhookClient, type WebhookExchange } from './webhook-client.js';
import type { LoggedAttempt, OutgoingWebhook } from './webhook-endpoint.js';

/**
 * The waits after the first, second… failed attempt, in milliseconds; the last one repeats. Attempts of mails have no
 * limit: neither a server that is down for a day nor a password that is wrong for a week loses a mail.
 */
export const BACK_OFF_MS: readonly number[] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60].map(
  (seconds) => seconds * 1000,
);

/** @param attempts the failed attempts since the message was stored or requested again, including this one */
export function backOff(attempts: number, schedule: readonly number[]): number {
  const wait = schedule[attempts - 1] ?? schedule.at(-1);
  if (wait === undefined) throw new Error('a back-off schedule needs at least one step');
  return wait;
}

export interface SendingTimes {
  /** See `BACK_OFF_MS`. */
  backOffMs: readonly number[];
  /**
   * How long a claim is valid without renewal. The sender renews its claim, so a slow server may take the ten minutes
   * that RFC 5321 grants. If a worker dies, another worker takes over its message after a minute.
   */
  claimMs: number;
  /** How long a failing webhook is retried: long enough for a receiver that is down over a weekend. */
  webhookRetriesMs: number;
  /** Limit for the whole call: resolving the host, connecting, sending, and receiving the status. */
  webhookCallMs: number;
  /** Limit for a whole mail. RFC 5321 grants its commands about this long in total. */
  mailCallMs: number;
}

/** Injection token, so that tests do not wait for minutes. */
export const SENDING_TIMES = Symbol('SENDING_TIMES');

export const DEFAULT_SENDING_TIMES: SendingTimes = {
  backOffMs: BACK_OFF_MS,
  claimMs: 60_000,
  webhookRetriesMs: 3 * 24 * 60 * 60 * 1000,
  webhookCallMs: 15_000,
  mailCallMs: 30 * 60 * 1000,
};

/** Renews a claim while a slow server takes its time, and detects when the claim is lost. */
export class ClaimHolder {
  private readonly ending = new AbortController();
  private readonly onStop = () => this.ending.abort(this.stop.reason);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    /** Renews the claim; returns whether it was still valid. */
    private readonly renewClaim: () => Promise<boolean>,
    private readonly claimMs: number,
    private readonly stop: AbortSignal,
  ) {}

  hold(): void {
    if (this.stop.aborted) this.onStop();
    this.stop.addEventListener('abort', this.onStop, { once: true });
    this.timer = setInterval(() => void this.renew(), this.claimMs / 3);
  }

  /** Aborts on `stop`, and when another worker has taken over because this process was silent for too long. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /**
   * Retries writing a result until another worker could have taken over. While PostgreSQL restarts, no worker can claim
   * the message either, and a mail whose delivery is not recorded would be sent twice.
   * @param isFinal whether an error shows that the claim is lost
   */
  async whileHeld<Answer>(
    write: () => Promise<Answer>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<Answer> {
    const end = performance.now() + this.claimMs;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (performance.now() > end || isFinal(error)) throw error;
        await delay(Math.min(1_000, this.claimMs / 3));
      }
    }
  }

  release(): void {
    clearInterval(this.timer);
    this.stop.removeEventListener('abort', this.onStop);
  }

  private async renew(): Promise<void> {
    // While PostgreSQL is down the claim may expire, but no worker can take over either.
    const held = await this.renewClaim().catch(() => true);
    if (!held) this.ending.abort(new Error('the claim was lost'));
  }
}

export type OutgoingMessage =
  | { channel: 'mail'; mail: OutgoingMail }
  /** `logged`: the outbox keeps requests and answers. */
  | { channel: 'webhook'; webhook: OutgoingWebhook; logged?: true };

/** Renders the content of a claimed message. The layers above know the subject of a message; delivery does not. */
export interface MessageRenderer {
  render(claim: ClaimedMessage): Promise<OutgoingMessage>;
  /** The receiver answered that it is gone. Runs in the transaction that ends the message. */
  gone?(transaction: Transaction, claim: ClaimedMessage): Promise<void>;
}

/** The renderers by kind. The layers above register them at module start, before the first consumer runs. */
@Injectable()
export class MessageRenderers {
  private readonly renderers = new Map<MessageKind, MessageRenderer>();

  register(kind: MessageKind, renderer: MessageRenderer): void {
    this.renderers.set(kind, renderer);
  }

  /** @throws Error if no module has registered a renderer for this kind: the process was assembled incorrectly */
  of(kind: MessageKind): MessageRenderer {
    const renderer = this.renderers.get(kind);
    if (renderer === undefined) throw new Error(`no renderer is registered for ${kind}`);
    return renderer;
  }
}

/** The result of an attempt. `not_due`: nothing could be claimed; `lost`: another worker took over in the meantime. */
export type Attempt = AttemptEnd['status'] | 'not_due' | 'lost';

/** The end of an attempt, and whether the receiver is gone for good. */
type Ending = AttemptEnd & { isGone: boolean };

const NEVER = new AbortController().signal;

/**
 * Sends each message once. A conditional UPDATE claims the message, so that only one of any number of jobs sends it.
 * The result is written only while the claim is valid.
 *
 * One window remains, as with every SMTP and HTTP client: the receiver accepts the message, and this process or the
 * connection dies before the result is written. The message is then sent again under the same id, because the
 * alternative is to lose it. The id lets receivers recognize the duplicate.
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
   * @param stop aborts the attempt; the message is then retried
   * @throws Error only if PostgreSQL cannot be reached; the message becomes due again when its claim expires
   */
  async send(message: MessageKey, stop: AbortSignal = NEVER): Promise<Attempt> {
    return this.sendClaimed(await claimMessage(this.database, message, this.times.claimMs), stop);
  }

  /** Like `send`, for the message to this receiver that has waited longest. */
  async sendNext(kind: MessageKind, receiver: string, stop: AbortSignal = NEVER): Promise<Attempt> {
    return this.sendClaimed(await claimNextMessage(this.database, kind, receiver, this.times.claimMs), stop);
  }

  private async sendClaimed(claim: ClaimedMessage | undefined, stop: AbortSignal): Promise<Attempt> {
    if (claim === undefined) return 'not_due';
    const { kind, id, batchId, attempts, traceparent: cause } = claim;
    const attributes = {
      'wiq.message': `${kind}:${id}`,
      'wiq.attempt': attempts,
      ...(batchId !== null && { 'wiq.batch_id': batchId }),
    };
    const name = isWebhook(kind) ? 'send webhook' : 'send mail';
    return inSpan({ name, kind: 'client', attributes, cause }, () => this.sendIn(claim, stop));
  }

  private async sendIn(claim: ClaimedMessage, stop: AbortSignal): Promise<Attempt> {
    const { claimMs } = this.times;
    const holder = new ClaimHolder(() => renewClaim(this.database, claim, claimMs), claimMs, stop);
    holder.hold();
    try {
      const end = await this.attempt(claim, holder.signal);
      const written = await holder.whileHeld(() => this.write(claim, end));
      this.report(claim, end, written);
      if (!written) return 'lost';
      if (end.status === 'pending') await this.outbox.wake(claim.kind, [claim.id], end.retryInMs);
      return end.status;
    } finally {
      holder.release();
    }
  }

  private write(claim: ClaimedMessage, { isGone, ...end }: Ending): Promise<boolean> {
    if (!isGone) return endAttempt(this.database, claim, end);
    return this.database.transaction(async (transaction) => {
      const written = await endAttempt(transaction, claim, end);
      if (written) await this.renderers.of(claim.kind).gone?.(transaction, claim);
      return written;
    });
  }

  private async attempt(claim: ClaimedMessage, signal: AbortSignal): Promise<Ending> {
    let content: MailContent | null = null;
    let exchange: WebhookExchange | undefined;
    const begun = performance.now();
    const at = new Date().toISOString();
    const logged = (error: string | null): LoggedAttempt | null => {
      if (exchange === undefined) return null;
      const durationMs = Math.round(performance.now() - begun);
      return { attempt: claim.attempts, at, durationMs, ...exchange, error };
    };
    try {
      const outgoing = await this.renderers.of(claim.kind).render(claim);
      content = newContent(claim, outgoing);
      if (outgoing.channel === 'mail' && !this.mailer.configured) {
        const status = 'not_sent_no_smtp';
        return { status, error: null, retryInMs: 0, content, logged: null, isGone: false };
      }
      if (outgoing.channel === 'webhook' && outgoing.logged) exchange = { request: null, answer: null };
      faultPoint('message.before-send');
      await this.deliver(outgoing, signal, exchange);
      faultPoint('message.after-accept');
      return { status: 'sent', error: null, retryInMs: 0, content, logged: logged(null), isGone: false };
    } catch (error) {
      const message = oneLine(errorMessage(error));
      const isGone = error instanceof DeliveryFault && error.isGone;
      return { ...this.failure(claim, error), error: message, content, logged: logged(message), isGone };
    }
  }

  /** Whether and when the message is retried: not before the time that its receiver asked for. */
  private failure(claim: ClaimedMessage, error: unknown): Pick<AttemptEnd, 'status' | 'retryInMs'> {
    const { isPermanent = false, retryAfterMs = 0 } = error instanceof DeliveryFault ? error : {};
    const leftMs = isWebhook(claim.kind) ? this.times.webhookRetriesMs - claim.owedForMs : Infinity;
    if (isPermanent || leftMs <= 0) return { status: 'failed', retryInMs: 0 };
    const backOffMs = backOff(claim.attempts - claim.attemptsBeforeResend, this.times.backOffMs);
    return { status: 'pending', retryInMs: Math.min(Math.max(backOffMs, retryAfterMs), leftMs) };
  }

  private deliver(
    outgoing: OutgoingMessage,
    signal: AbortSignal,
    exchange: WebhookExchange | undefined,
  ): Promise<void> {
    const { webhookCallMs, mailCallMs } = this.times;
    if (outgoing.channel === 'webhook') {
      return endsWithin(webhookCallMs, signal, (ends) =>
        this.webhooks.post(outgoing.webhook, ends, exchange),
      );
    }
    return endsWithin(mailCallMs, signal, (ends) => this.mailer.send(outgoing.mail, ends));
  }

  private report(claim: ClaimedMessage, { status, error }: AttemptEnd, written: boolean): void {
    const { kind, id, batchId, attempts } = claim;
    const entry = { kind, messageId: id, batchId, attempts, status, error };
    if (!written) this.logger.warn({ message: 'another worker took the delivery over', ...entry });
    else if (status === 'failed') this.logger.error({ message: 'delivery was refused for good', ...entry });
    else if (status === 'pending') this.logger.warn({ message: 'delivery will be tried again', ...entry });
    // A batch has one such mail, but as many other messages as it has records.
    else if (kind === 'batch_mail') this.logger.log({ message: 'delivery ended', ...entry });
    else this.logger.debug({ message: 'delivery ended', ...entry });
  }
}

/**
 * The rendered mail if it differs from the one in the outbox, which is then updated; else `null`. The link in a mail
 * about an account is a credential, so the text is not kept.
 */
function newContent(claim: ClaimedMessage, outgoing: OutgoingMessage): MailContent | null {
  if (outgoing.channel !== 'mail' || claim.kind === 'account_mail') return null;
  const { subject, text, html } = outgoing.mail;
  const isStored = subject === claim.subject && text === claim.text && html === claim.html;
  return isStored ? null : { subject, text, html };
}

/**
 * Runs work that must end: at the time limit, or when `stop` aborts, the work's signal aborts and the promise rejects,
 * however the work handles the signal. A receiver that withholds an event therefore cannot hold a slot.
 *
 * The function has its own timer because `AbortSignal.any([signal, AbortSignal.timeout(ms)])` may never fire after a
 * garbage collection (nodejs/node#57736). Node keeps a running timer, and the timer keeps the controller.
 */
export function endsWithin<Result>(
  limitMs: number,
  stop: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const release = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
    };
    const abort = (fault: DeliveryFault) => {
      release();
      controller.abort(fault);
      reject(fault);
    };
    const onStop = () => abort(new DeliveryFault(errorMessage(stop.reason), false));
    const timer = setTimeout(
      () => abort(new DeliveryFault(`the receiver did not answer within ${limitMs / 1000} s`, false)),
      limitMs,
    );
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    else work(controller.signal).finally(release).then(resolve, reject);
  });
}

function isWebhook(kind: MessageKind): kind is WebhookKind {
  return WEBHOOK_KINDS.some((webhook) => webhook === kind);
}
