import { lookup as resolve } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../platform/config/config.js';
import { DeliveryFault } from './message.js';
import { type OutgoingWebhook, webhookHeaders } from './webhook-message.js';

/** Networks that are not the public internet (IANA special-purpose registries), and ways to get there through IPv6. */
const NETWORKS: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

const blocked = new BlockList();
for (const [network, prefix] of NETWORKS) {
  blocked.addSubnet(network, prefix, isIPv6(network) ? 'ipv6' : 'ipv4');
}

/** Whether an IP address is loopback, link-local, private, or otherwise none of a public host. */
export function isPrivateAddress(address: string): boolean {
  // `::ffff:127.0.0.1` is 127.0.0.1; BlockList knows.
  return blocked.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** For all of it: finding the host, connecting, sending, and the status of the answer. */
const TIMEOUT_MS = 15_000;
/** Of an answer; only its status counts. */
const MOST_READ_BYTES = 64 * 1024;
/** 4xx that mean "later": request timeout, too early, too many requests. */
const LATER: readonly number[] = [408, 425, 429];

/** POSTs webhooks, to public addresses only unless the configuration says otherwise. */
@Injectable()
export class WebhookClient implements OnApplicationShutdown {
  private readonly http = new HttpAgent({ keepAlive: true });
  private readonly https = new HttpsAgent({ keepAlive: true });

  constructor(private readonly config: AppConfig) {}

  /** Last of all: deliveries at hand are finished before. */
  onApplicationShutdown(): void {
    this.http.destroy();
    this.https.destroy();
  }

  /**
   * Answers when the receiver has answered 2xx.
   * @param signal breaks the attempt off
   * @throws DeliveryFault otherwise. Redirects are not followed: they could lead where nobody has looked.
   */
  async post(webhook: OutgoingWebhook, signal: AbortSignal): Promise<void> {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const status = await this.send(webhook, bound);
    if (status >= 200 && status < 300) return;
    const isPermanent = status >= 400 && status < 500 && !LATER.includes(status);
    const reason = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    throw new DeliveryFault(`the receiver answered ${status}${reason}`, isPermanent);
  }

  private send(webhook: OutgoingWebhook, signal: AbortSignal): Promise<number> {
    const url = new URL(webhook.url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // An address is not looked up, so `lookup` would not see it.
    if (isIP(host) !== 0) this.assertAllowed(host, [host]);
    const isHttps = url.protocol === 'https:';
    const options: RequestOptions = {
      method: 'POST',
      agent: isHttps ? this.https : this.http,
      lookup: this.lookup,
      signal,
      headers: {
        ...webhookHeaders(webhook, Date.now()),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(webhook.body),
        'user-agent': 'workflow-import-queue',
      },
    };
    return new Promise((resolveStatus, reject) => {
      const request = (isHttps ? httpsRequest : httpRequest)(url, options, (response) => {
        let read = 0;
        response.on('data', (bytes: Buffer) => {
          read += bytes.length;
          if (read > MOST_READ_BYTES) response.destroy();
        });
        response.on('error', () => undefined);
        resolveStatus(response.statusCode ?? 0);
      });
      request.on('error', (error) => reject(this.asFault(error, signal)));
      request.end(webhook.body);
    });
  }

  /** Looks a host up and refuses it here, at the moment of connecting: a second look might find another address. */
  private readonly lookup: LookupFunction = (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      try {
        this.assertAllowed(
          host,
          addresses.map(({ address }) => address),
        );
      } catch (fault) {
        return callback(fault as Error, '');
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

  private asFault(error: Error, signal: AbortSignal): DeliveryFault {
    if (error instanceof DeliveryFault) return error;
    const timedOut = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
    const message = timedOut ? `the receiver did not answer within ${TIMEOUT_MS / 1000} s` : error.message;
    return new DeliveryFault(message || error.name, false, { cause: error });
  }
}
