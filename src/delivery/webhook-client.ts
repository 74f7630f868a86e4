import { lookup as resolve } from 'node:dns';
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { SecretBox } from '../platform/secret-box.js';
import { DeliveryFault } from './message.js';
import { isPrivateAddress } from './private-address.js';
import { type OutgoingWebhook, retryAfterMs, webhookHeaders } from './webhook-message.js';

/** Only the status of a response counts. Its body is read up to this size, so that the connection can be reused. */
const MOST_BODY_BYTES = 64 * 1024;
const BODY_WITHIN_MS = 2_000;

interface Answer {
  status: number;
  retryAfter: string | undefined;
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
   * @throws DeliveryFault for any other answer; redirects are not followed because nothing has checked their
   * destination
   */
  async post(webhook: OutgoingWebhook, signal: AbortSignal): Promise<void> {
    const { status, retryAfter } = await this.answerTo(webhook, signal);
    if (status >= 200 && status < 300) return;
    const reason = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    const message = `the receiver answered ${status}${reason}`;
    throw new DeliveryFault(message, status === 410, { retryAfterMs: retryAfterMs(retryAfter, Date.now()) });
  }

  private answerTo(webhook: OutgoingWebhook, signal: AbortSignal): Promise<Answer> {
    return new Promise((answer, reject) => {
      const request = this.request(webhook, signal);
      request.on('response', (response) => {
        const { statusCode: status = 0, headers } = response;
        readBody(response);
        answer({ status, retryAfter: headers['retry-after'] });
      });
      // Without these two handlers, a receiver could end the exchange without an event that settles the promise.
      request.on('upgrade', ({ statusCode: status = 101 }, socket) => {
        socket.destroy();
        answer({ status, retryAfter: undefined });
      });
      request.on('close', () => reject(new DeliveryFault('the receiver closed the connection', false)));
      request.on('error', (error) => reject(asFault(error)));
      request.end(webhook.body);
    });
  }

  private request(webhook: OutgoingWebhook, signal: AbortSignal): ClientRequest {
    const url = new URL(webhook.url);
    const secret = webhook.secret === null ? null : this.secrets.open(webhook.secret);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // Node does not look up an IP address, so `lookup` would never check it.
    if (isIP(host) !== 0) this.assertAllowed(host, [host]);
    const isHttps = url.protocol === 'https:';
    const options: RequestOptions = {
      method: 'POST',
      agent: isHttps ? this.https : this.http,
      lookup: this.lookup,
      signal,
      headers: {
        ...webhookHeaders({ ...webhook, secret }, Date.now()),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(webhook.body),
        'user-agent': 'workflow-import-queue',
      },
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

/** Reads the body to its end, or closes the connection if it is too long or too slow. */
function readBody(response: IncomingMessage): void {
  const timer = setTimeout(() => response.destroy(), BODY_WITHIN_MS);
  let read = 0;
  response.on('data', (bytes: Buffer) => {
    read += bytes.length;
    if (read > MOST_BODY_BYTES) response.destroy();
  });
  response.on('error', () => undefined);
  response.on('close', () => clearTimeout(timer));
}

function asFault(error: unknown): DeliveryFault {
  if (error instanceof DeliveryFault) return error;
  const { message, name } = error instanceof Error ? error : { message: String(error), name: '' };
  return new DeliveryFault(message || name, false, { cause: error });
}
