import type { BehaviorRow } from '../../delivery/outbox.sql.js';
import { isEmail } from '../rows/values/attribute-values.js';
import type { OwedBehavior } from './action-effects.js';

export interface BehaviorOrigin {
  workflow: string;
  batchId: number | null;
  /** ISO 8601. */
  now: string;
}

const NOTHING = {
  receiver: '',
  subject: null,
  textBody: null,
  htmlBody: null,
  jsonBody: null,
  secret: null,
} as const;

/** The outbox row of a behavior, once its instance has an id. */
export function behaviorRow(behavior: OwedBehavior, instanceId: number, origin: BehaviorOrigin): BehaviorRow {
  const { line, number, action, kind } = behavior;
  const row = { ...NOTHING, instanceId, line, number, action, kind };
  if (behavior.kind === 'webhook') {
    const { url, receiver, secret } = behavior;
    const jsonBody = webhookBody(behavior, instanceId, origin);
    return { ...row, recipient: url, receiver, secret, jsonBody, status: 'pending', error: null };
  }
  const { recipient, mail } = behavior;
  const { subject, text: textBody, html: htmlBody } = mail;
  const error = addressError(recipient);
  return {
    ...{ ...row, recipient, subject, textBody, htmlBody, error },
    status: error === null ? 'pending' : 'failed',
  };
}

/** A mail without a usable address is stored as failed instead of omitted, so that people see it. */
function addressError(recipient: string): string | null {
  if (recipient === '') return 'the instance has no address to send it to';
  return isEmail(recipient)
    ? null
    : 'the value where the instance should have its e-mail address is not an address';
}

/** Builds the body as text, so that values are sent exactly as they are stored. */
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
