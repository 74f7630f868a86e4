import {
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  TEXT,
  TIME,
  type Schema,
} from '../common/http/answer-schemas.js';
import type { StoredNotification } from './sql/select-notifications.js';

/** What the route about mails answers. */
export const NOTIFICATION_SCHEMAS: Readonly<Record<string, Schema>> = {
  Notification: objectOf<StoredNotification>({
    id: INTEGER,
    kind: choice('success', 'failure'),
    recipient: TEXT,
    status: choice('pending', 'sending', 'sent', 'failed', 'not_sent_no_smtp'),
    subject: says('null until it was rendered, at the first attempt.', orNull(TEXT)),
    text: orNull(TEXT),
    attempts: INTEGER,
    lastError: orNull(TEXT),
    createdAt: TIME,
    nextAttemptAt: says('null when it will not be tried again.', orNull(TIME)),
    sentAt: orNull(TIME),
  }),
  NotificationList: itemsOf(refTo('Notification')),
};
