import type { StoredNotification } from '../../notifications/sql/select-notifications.js';
import { mailLabel, type StatusLabel } from '../status-label.js';

export interface MailView {
  label: StatusLabel;
  subject: string;
  recipient: string;
  sentAt: string | null;
  /** `null` until it is written, at the first attempt to send it. */
  text: string | null;
  lastError: string | null;
}

export function mailView(mail: StoredNotification): MailView {
  return {
    label: mailLabel(mail.status),
    subject: mail.subject ?? `Mail of ${mail.kind}`,
    recipient: mail.recipient,
    sentAt: mail.sentAt?.toISOString() ?? null,
    text: mail.text,
    lastError: mail.lastError,
  };
}
