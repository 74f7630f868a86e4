import type { Sql } from '../../database/transaction.js';
import type { NotificationKind, NotificationStatus } from '../entities/notification.entity.js';

/** A mail with all that became of it. */
export interface StoredNotification {
  id: number;
  kind: NotificationKind;
  recipient: string;
  status: NotificationStatus;
  /** `null` until it was rendered, at the first attempt. */
  subject: string | null;
  text: string | null;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  /** When it is tried again; `null` when it will not be. */
  nextAttemptAt: Date | null;
  sentAt: Date | null;
}

export async function selectNotifications(sql: Sql, batchId: number): Promise<StoredNotification[]> {
  const { rows } = await sql.query<StoredNotification>(
    `SELECT notification_id AS id, kind, recipient, status, subject, text_body AS text, attempts,
            last_error AS "lastError", created_at AS "createdAt",
            CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt", sent_at AS "sentAt"
       FROM notification
      WHERE workflow_import_queue_batch_id = $1
      ORDER BY notification_id`,
    [batchId],
  );
  return rows;
}
