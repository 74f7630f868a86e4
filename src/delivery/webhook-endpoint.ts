import { createHmac, randomBytes } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/** How the body of a webhook about a batch is written: by Standard Webhooks, or as a chat message. */
export const ENDPOINT_FORMATS = ['standard', 'slack', 'teams'] as const;
export type EndpointFormat = (typeof ENDPOINT_FORMATS)[number];

export const ENDPOINT_STATUSES = ['active', 'disabled'] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** `gone`: the receiver answered 410. */
export const DISABLED_REASONS = ['manual', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** The event of a webhook that only shows whether an endpoint can be reached. */
export const TEST_EVENT = 'webhook.test';

export interface LoggedRequest {
  headers: Record<string, string>;
  body: string;
}

export interface LoggedAnswer {
  status: number;
  headers: Record<string, string>;
  /** Its beginning. */
  body: string;
}

/** One attempt to deliver a webhook. */
export interface LoggedAttempt {
  attempt: number;
  /** When it began. */
  at: string;
  durationMs: number;
  /** `null` if the connection was refused before anything was sent. */
  request: LoggedRequest | null;
  /** `null` if the receiver did not answer. */
  answer: LoggedAnswer | null;
  error: string | null;
}

/** Whether the text is an http or https URL without a fragment and without credentials, which would end up in logs. */
export function isWebhookUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '' && hash === '';
}

const SECRET_PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether the text is a secret in the form of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
export function isWebhookSecret(text: string): boolean {
  if (!text.startsWith(SECRET_PREFIX) || !BASE64.test(text.slice(SECRET_PREFIX.length))) return false;
  const { length } = secretBytes(text);
  return length >= 24 && length <= 64;
}

/** A new secret in that form. */
export function newWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(32).toString('base64');
}

export interface OutgoingWebhook {
  /** May be encrypted, as the secrets may. */
  url: string;
  /** The same on every attempt: receivers treat a message with a known id as a repetition. */
  id: string;
  body: string;
  /** Each signs the request, so that a receiver may know the previous or the new secret. Empty: not signed. */
  secrets: readonly string[];
  /** Headers besides those of Standard Webhooks. */
  headers?: Readonly<Record<string, string>>;
  /** Whether the request must not use a connection that is already open: the receiver could be closing it. */
  needsNewConnection?: boolean;
}

/** Host and port of a URL as written: two spellings of one host are two receivers (ADR 19). */
export function receiverOf(url: string): string {
  const [, authority = ''] = /^[^:]*:[/\\]*([^/\\?#]*)/.exec(url) ?? [];
  return authority.toLowerCase().slice(0, 255);
}

/** `Retry-After`, in seconds or as a date; `undefined` if it is missing or invalid. @param now in milliseconds */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return waitMs > 0 ? waitMs : undefined;
}

type SignedParts = Pick<OutgoingWebhook, 'id' | 'body' | 'secrets'>;

/** The headers of Standard Webhooks 1.0. @param now in milliseconds; receivers refuse messages that are minutes old */
export function webhookHeaders({ id, body, secrets }: SignedParts, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (secrets.length === 0) return headers;
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`);
    return `v1,${mac.digest('base64')}`;
  });
  return { ...headers, 'webhook-signature': signatures.join(' ') };
}

function secretBytes(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
}

/**
 * Ranges that lead to no public host although ipaddr.js classifies them as unicast: one cloud's address for its
 * internal services, IPv4 inside IPv6, segment routing, documentation, and the ranges that IANA reserves for protocols.
 */
const ALSO_PRIVATE_4 = ['168.63.129.16/32'].map((range) => ipaddr.IPv4.parseCIDR(range));
const ALSO_PRIVATE_6 = ['::/96', '100::/32', '2001::/23', '3fff::/20', '5f00::/16'].map((range) =>
  ipaddr.IPv6.parseCIDR(range),
);

/**
 * Whether an IP address is loopback, link-local, private, reserved, or does not belong to a public host for another
 * reason.
 */
export function isPrivateAddress(text: string): boolean {
  // `::ffff:127.0.0.1` is 127.0.0.1.
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return true;
  return address instanceof ipaddr.IPv4
    ? ALSO_PRIVATE_4.some((range) => address.match(range))
    : ALSO_PRIVATE_6.some((range) => address.match(range));
}
