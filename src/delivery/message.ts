/** The states of a message in the outbox; outbox.sql.ts shows how one leads to another. */
export const DELIVERY_STATUSES = ['pending', 'sending', 'sent', 'failed', 'not_sent_no_smtp'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** Which of the two addresses of a batch a mail goes to. */
export type NotificationKind = 'success' | 'failure';

/** A mail about a batch, with the progress of its delivery. */
export interface StoredNotification {
  id: number;
  kind: NotificationKind;
  recipient: string;
  status: DeliveryStatus;
  /** `null` until the first attempt, which renders the mail. */
  subject: string | null;
  text: string | null;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  /** When the next attempt is due; `null` if there will be none. */
  nextAttemptAt: Date | null;
  sentAt: Date | null;
}

export type BehaviorKind = 'sendEmail' | 'webhook';

/** A mail or webhook that an action caused, with the progress of its delivery; never with its signing secret. */
export interface StoredBehavior {
  id: number;
  kind: BehaviorKind;
  action: string;
  batchId: number | null;
  line: number | null;
  /** An e-mail address or a URL. */
  recipient: string;
  subject: string | null;
  status: DeliveryStatus;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  /** When the next attempt is due; `null` if there will be none. */
  nextAttemptAt: Date | null;
  sentAt: Date | null;
}
