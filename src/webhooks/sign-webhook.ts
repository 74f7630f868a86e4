import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether it is a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
export function isWebhookSecret(text: string): boolean {
  if (!text.startsWith(PREFIX) || !BASE64.test(text.slice(PREFIX.length))) return false;
  const { length } = secretBytes(text);
  return length >= 24 && length <= 64;
}

/** What a request carries besides its body; of one message always the same but for time and signature. */
export interface WebhookMessage {
  /** Receivers take a message with an id they have seen for a repetition. */
  id: string;
  body: string;
  /** `null`: not signed. */
  secret: string | null;
}

/** The headers of Standard Webhooks 1.0. @param now in milliseconds; receivers refuse what is minutes old */
export function webhookHeaders({ id, body, secret }: WebhookMessage, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (secret === null) return headers;
  const mac = createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${mac}` };
}

function secretBytes(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64');
}
