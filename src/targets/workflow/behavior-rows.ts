import { isEmail } from '../../workflows/rows/values/email.js';
import type { OwedBehavior } from './perform-effects.js';
import type { BehaviorRow } from './sql/insert-behaviors.js';

export interface BehaviorOrigin {
  workflow: string;
  batchId: number | null;
  /** ISO 8601. */
  now: string;
}

const NOTHING = { subject: null, textBody: null, htmlBody: null, jsonBody: null, secret: null } as const;

/** What is written of a behavior, once its instance has an id. */
export function behaviorRow(behavior: OwedBehavior, instanceId: number, origin: BehaviorOrigin): BehaviorRow {
  const { line, number, action, kind } = behavior;
  const row = { ...NOTHING, instanceId, line, number, action, kind };
  if (behavior.kind === 'webhook') {
    const { url, secret } = behavior;
    const jsonBody = webhookBody(behavior, instanceId, origin);
    return { ...row, recipient: url, secret, jsonBody, status: 'pending', error: null };
  }
  const { recipient, mail } = behavior;
  const { subject, text: textBody, html: htmlBody } = mail;
  const error = addressError(recipient);
  return {
    ...{ ...row, recipient, subject, textBody, htmlBody, error },
    status: error === null ? 'pending' : 'failed',
  };
}

/** Kept as failed, not left out: a mail that nobody could get is something people want to see. */
function addressError(recipient: string): string | null {
  if (recipient === '') return 'the instance has no address to send it to';
  return isEmail(recipient) ? null : 'the instance has something else where its e-mail address should be';
}

/** Put together as text, so that values go out exactly as they are stored. */
function webhookBody(
  { action, line, status, step, attributes, changes }: Extract<OwedBehavior, { kind: 'webhook' }>,
  instanceId: number,
  { workflow, batchId, now }: BehaviorOrigin,
): string {
  const source = { batchId, line: batchId === null ? null : line };
  const head = JSON.stringify({ workflow, action, instanceId, ...source, status, step }).slice(1, -1);
  const timestamp = JSON.stringify(now);
  return `{"type":"workflow.action.performed","timestamp":${timestamp},"data":{${head},"attributes":${attributes},"changes":${changes}}}`;
}
