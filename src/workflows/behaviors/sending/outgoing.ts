import type { OutgoingMail } from '../../../notifications/mailer.js';
import type { WebhookMessage } from '../../../webhooks/sign-webhook.js';
import type { ClaimedBehavior } from './sql/claim-behavior.js';

/**
 * The mail of a behavior. Its Message-ID is the same on every attempt, so that receivers can drop a double; when
 * somebody asks for the mail to be sent again it is another, so that they do not.
 */
export function behaviorMail(claim: ClaimedBehavior, publicUrl: string): OutgoingMail {
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
export function behaviorWebhook(claim: ClaimedBehavior): WebhookMessage {
  return { id: `behavior_${identity(claim)}`, body: claim.jsonBody ?? '', secret: claim.secret };
}

/** In no other message, also when a database is made new and counts from 1 again. */
function identity({ id, createdAt }: ClaimedBehavior): string {
  return `${id}_${createdAt.getTime()}`;
}
