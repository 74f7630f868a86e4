/** The kinds of webhooks. They share a queue and the slots of each host. */
export const WEBHOOK_KINDS = ['batch_webhook', 'behavior_webhook'] as const;
export type WebhookKind = (typeof WEBHOOK_KINDS)[number];

/** The kinds of messages in the outbox. Mails about batches and accounts share a queue; both are few. */
export const MESSAGE_KINDS = ['batch_mail', 'behavior_mail', 'account_mail', ...WEBHOOK_KINDS] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** The states of a message; outbox.sql.ts shows the transitions. */
export const DELIVERY_STATUSES = ['pending', 'sending', 'sent', 'failed', 'not_sent_no_smtp'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/**
 * Identifies a message. The id alone is not enough: messages that are older than the common outbox keep their numbers.
 */
export interface MessageKey {
  kind: MessageKind;
  id: number;
}

/** The text of a mail. */
export interface MailContent {
  subject: string;
  text: string;
  html: string | null;
}

/** A message that this process is to send now. */
export interface ClaimedMessage extends MessageKey {
  batchId: number | null;
  /** Of a mail about a batch. */
  outcome: NotificationKind | null;
  /** Of a mail about an account. */
  accountLinkId: number | null;
  /** Of a webhook about a batch, which also has the event. */
  webhookEndpointId: number | null;
  /** An e-mail address, or the URL of a webhook, encrypted. */
  recipient: string;
  subject: string | null;
  text: string | null;
  html: string | null;
  /** The body of a webhook, or the pause that a mail reports. */
  json: string | null;
  /** The secret that signs a webhook. */
  secret: string | null;
  /** Grows with every claim, so it is the fencing token: the outbox ignores writes under an older value. */
  attempts: number;
  /** The attempts that the back-off does not count. */
  attemptsBeforeResend: number;
  resends: number;
  createdAt: Date;
  /** The span of the call that created the batch. */
  traceparent: string | null;
  /** The time since the message was stored, or since its delivery was last requested again. */
  owedForMs: number;
}

/** What a mail about a batch reports: how it ended, that it paused, or that an upload is about to be abandoned. */
export const NOTIFICATION_KINDS = ['success', 'failure', 'paused', 'expiring'] as const;
export type NotificationKind = (typeof NOTIFICATION_KINDS)[number];

interface Progress {
  status: DeliveryStatus;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  /** When the next attempt is due; `null` if there will be none. */
  nextAttemptAt: Date | null;
  sentAt: Date | null;
}

/** A mail about a batch, with the progress of its delivery. */
export interface StoredNotification extends Progress {
  id: number;
  kind: NotificationKind;
  recipient: string;
  /** `null` before the first attempt, which renders the mail. */
  subject: string | null;
  text: string | null;
}

export type BehaviorKind = 'sendEmail' | 'webhook';

/** A mail or webhook that an action caused, with the progress of its delivery; never with its signing secret. */
export interface StoredBehavior extends Progress {
  id: number;
  kind: BehaviorKind;
  action: string;
  batchId: number | null;
  line: number | null;
  /** An e-mail address or a URL. */
  recipient: string;
  subject: string | null;
}

interface FaultOptions extends ErrorOptions {
  /** The receiver answered that it will never exist again. */
  isGone?: boolean | undefined;
  /** How long the receiver asked us to wait. */
  retryAfterMs?: number | undefined;
}

/** A delivery that failed. */
export class DeliveryFault extends Error {
  override readonly name = 'DeliveryFault';
  readonly retryAfterMs: number | undefined;
  readonly isGone: boolean;

  constructor(
    message: string,
    /** Whether no further attempt can succeed. */
    readonly isPermanent: boolean,
    { retryAfterMs, isGone = false, ...options }: FaultOptions = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.isGone = isGone;
  }
}

/** Prevents out-of-office replies: by RFC 3834, and for Exchange. */
export const NO_AUTOMATIC_REPLIES = {
  'Auto-Submitted': 'auto-generated',
  'X-Auto-Response-Suppress': 'All',
} as const;
