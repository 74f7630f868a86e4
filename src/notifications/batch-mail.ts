import type { OutgoingMail } from '../delivery/mailer.js';
import type { ClaimedNotification } from '../delivery/notifications.sql.js';
import type { RenderedMail } from './mail-renderer.js';

/**
 * The mail of a notification. Its Message-ID is the same on every attempt and in no other mail, also when a database
 * is made new and counts from 1 again: should a mail be sent twice after all, receivers can tell.
 */
export function batchMail(
  {
    id,
    batchId,
    recipient,
    createdAt,
  }: Pick<ClaimedNotification, 'id' | 'batchId' | 'recipient' | 'createdAt'>,
  mail: RenderedMail,
  publicUrl: string,
): OutgoingMail {
  return {
    ...mail,
    to: recipient,
    messageId: `<notification-${id}.${createdAt.getTime()}@${new URL(publicUrl).hostname}>`,
    headers: {
      'X-Workflow-Import-Queue-Batch-Id': String(batchId),
      // Keeps out-of-office replies from answering (RFC 3834).
      'Auto-Submitted': 'auto-generated',
    },
  };
}
