import { lookup as resolve } from 'node:dns';
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { tracingHeaders } from '../platform/instrumentation.js';
import { SecretBox } from '../platform/secret-box.js';
import { DeliveryFault } from './message.js';
import {
  isPrivateAddress,
  type LoggedAnswer,
  type LoggedRequest,
  type OutgoingWebhook,
  retryAfterMs,
  webhookHeaders,
} from './webhook-endpoint.js';

/** A body is read up to this size, so that the connection can be reused. */
const MOST_BODY_BYTES = 64 * 1024;
const BODY_WITHIN_MS = 2_000;
/** A log keeps this much of a body and of a header. */
const LOGGED_BODY_BYTES = 2 * 1024;
const LOGGED_HEADER_LENGTH = 200;
const LOGGED_HEADERS = 30;

interface Answer {
  status: number;
  retryAfter: string | undefined;
}

/** What the client sent and received, as far as it got: it fills this in while the request is under way. */
export interface WebhookExchange {
  request: LoggedRequest | null;
  answer: LoggedAnswer | null;
}

/** How far an exchange got. The client fills this in, so that it is known when the exchange is cut off. */
export interface ExchangeProgress {
  /** Whether the receiver may have been sent a part of the request. */
  isConnected: boolean;
  answer: ReceivedAnswer | null;
}

export interface ReceivedAnswer {
  status: number;
  retryAfterMs: number | undefined;
  /** Its beginning. */
  body: string;
  /** Whether `body` is all of it. */
  isComplete: boolean;
}

/** POSTs webhooks; only to public addresses unless the configuration allows others. */
@Injectable()
export class WebhookClient implements OnApplicationShutdown {
  private readonly http = new HttpAgent({ keepAlive: true });
  private readonly https = new HttpsAgent({ keepAlive: true });

  constructor(
    private readonly config: AppConfig,
    private readonly secrets: SecretBox,
  ) {}

  /** Runs last, after the deliveries in progress have ended. */
  onApplicationShutdown(): void {
    this.http.destroy();
    this.https.destroy();
  }

  /**
   * Resolves when the receiver has answered 2xx. 410 means that the receiver is permanently gone. Any other answer may
   * differ at the next attempt, for example while a receiver is deployed or changes its secret.
   * @param signal aborts the attempt
   * @param exchange records the request and the answer; the body of the answer is then waited for
   * @throws DeliveryFault for any other answer; redirects are not followed because nothing has checked their
   * destination
   */
  async post(webhook: OutgoingWebhook, signal: AbortSignal, exchange?: WebhookExchange): Promise<void> {
    const { status, retryAfter } = await this.answerTo(webhook, signal, exchange);
    if (status >= 200 && status < 300) return;
    const reason = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    const message = `the receiver answered ${status}${reason}`;
    const isGone = status === 410;
    throw new DeliveryFault(message, isGone, {
      isGone,
      retryAfterMs: retryAfterMs(retryAfter, Date.now()),
    });
  }

  /**
   * Resolves with the answer, whatever it is. A body that is too long or too slow is cut off.
   * @param mostBytes of the body are kept
   * @throws DeliveryFault if there was no answer; it is permanent if the address is not allowed
   */
  exchange(
    webhook: OutgoingWebhook,
    signal: AbortSignal,
    progress: ExchangeProgress,
    mostBytes: number,
  ): Promise<ReceivedAnswer> {
    return new Promise((resolve, reject) => {
      const request = this.request(webhook, signal, undefined);
      request.on('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => (progress.isConnected = true));
        else progress.isConnected = true;
      });
      request.on('response', (response) => {
        const { statusCode: status = 0, headers } = response;
        const wait = retryAfterMs(headers['retry-after'], Date.now());
        const answer = { status, retryAfterMs: wait, body: '', isComplete: false };
        progress.answer = answer;
        readBody(response, mostBytes, (body, isComplete) =>
          resolve(Object.assign(answer, { body, isComplete })),
        );
      });
      request.on('upgrade', ({ statusCode: status = 101 }, socket) => {
        socket.destroy();
        resolve((progress.answer = { status, retryAfterMs: undefined, body: '', isComplete: true }));
      });
      request.on('close', () => {
        if (progress.answer === null) reject(new DeliveryFault('the receiver closed the connection', false));
      });
      request.on('error', (error) => {
        if (progress.answer === null) reject(asFault(error));
      });
      request.end(webhook.body);
    });
  }

  private answerTo(
    webhook: OutgoingWebhook,
    signal: AbortSignal,
    exchange: WebhookExchange | undefined,
  ): Promise<Answer> {
    return new Promise((answer, reject) => {
      const request = this.request(webhook, signal, exchange);
      request.on('response', (response) => {
        const { statusCode: status = 0, headers } = response;
        const settle = () => answer({ status, retryAfter: headers['retry-after'] });
        if (exchange === undefined) {
          readBody(response, 0);
          settle();
          return;
        }
        const received = { status, headers: loggedHeaders(headers), body: '' };
        exchange.answer = received;
        readBody(response, LOGGED_BODY_BYTES, (body) => {
          received.body = body;
          settle();
        });
      });
      // Without these two handlers, a receiver could end the exchange without an event that settles the promise.
      request.on('upgrade', ({ statusCode: status = 101 }, socket) => {
        socket.destroy();
        answer({ status, retryAfter: undefined });
      });
      request.on('close', () => {
        // With an answer, the end of its body settles the promise.
        if (!exchange?.answer) reject(new DeliveryFault('the receiver closed the connection', false));
      });
      request.on('error', (error) => reject(asFault(error)));
      request.end(webhook.body);
    });
  }

  private request(
    webhook: OutgoingWebhook,
    signal: AbortSignal,
    exchange: WebhookExchange | undefined,
  ): ClientRequest {
    const url = new URL(this.secrets.open(webhook.url));
    const secrets = webhook.secrets.map((secret) => this.secrets.open(secret));
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // Node does not look up an IP address, so `lookup` would never check it.
    if (isIP(host) !== 0) this.assertAllowed(host, [host]);
    const isHttps = url.protocol === 'https:';
    const headers = {
      ...webhook.headers,
      ...webhookHeaders({ ...webhook, secrets }, Date.now()),
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(webhook.body),
      'user-agent': 'workflow-import-queue',
      ...tracingHeaders(),
    };
    if (exchange !== undefined) exchange.request = { headers: loggedHeaders(headers), body: webhook.body };
    const options: RequestOptions = {
      method: 'POST',
      agent: webhook.needsNewConnection ? false : isHttps ? this.https : this.http,
      lookup: this.lookup,
      signal,
      headers,
    };
    return isHttps ? httpsRequest(url, options) : httpRequest(url, options);
  }

  /** Checks the addresses at the moment of connecting: an earlier look-up could return other addresses. */
  private readonly lookup: LookupFunction = (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      try {
        this.assertAllowed(
          host,
          addresses.map(({ address }) => address),
        );
      } catch (fault) {
        return callback(asFault(fault), '');
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };

  private assertAllowed(host: string, addresses: readonly string[]): void {
    const refused = this.config.allowPrivateTargets ? undefined : addresses.find(isPrivateAddress);
    if (refused === undefined) return;
    const place = refused === host ? host : `${host} (${refused})`;
    const message = `${place} is not a public address; ALLOW_PRIVATE_TARGETS=true allows such receivers`;
    throw new DeliveryFault(message, true);
  }
}

/**
 * Reads the body to its end, or closes the connection if it is too long or too slow.
 * @param keptBytes the length of the beginning that `onEnd` gets
 */
function readBody(
  response: IncomingMessage,
  keptBytes: number,
  onEnd: (body: string, isComplete: boolean) => void = () => undefined,
): void {
  const timer = setTimeout(() => response.destroy(), BODY_WITHIN_MS);
  let read = 0;
  const head: Buffer[] = [];
  response.on('data', (bytes: Buffer) => {
    if (read < keptBytes) head.push(bytes.subarray(0, keptBytes - read));
    read += bytes.length;
    if (read > Math.max(MOST_BODY_BYTES, keptBytes)) response.destroy();
  });
  response.on('error', () => undefined);
  response.on('close', () => {
    clearTimeout(timer);
    onEnd(storable(Buffer.concat(head).toString()), response.complete && read <= keptBytes);
  });
}

function loggedHeaders(headers: OutgoingHttpHeaders): Record<string, string> {
  const shown = Object.entries(headers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    shown
      .slice(0, LOGGED_HEADERS)
      .map(([name, value]) => [name, storable(String(value)).slice(0, LOGGED_HEADER_LENGTH)]),
  );
}

/** PostgreSQL cannot store U+0000. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}

function asFault(error: unknown): DeliveryFault {
  if (error instanceof DeliveryFault) return error;
  const { message, name } = error instanceof Error ? error : { message: String(error), name: '' };
  return new DeliveryFault(message || name, false, { cause: error });
}
