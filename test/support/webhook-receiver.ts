import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedWebhook {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A real HTTP server that keeps every request, and answers what the test says, by path. */
export class WebhookReceiver {
  readonly received: ReceivedWebhook[] = [];
  /** Statuses to answer next, by path; 204 after the last. */
  readonly answers = new Map<string, number[]>();
  /** `Retry-After` of the answers, by path. */
  readonly retryAfter = new Map<string, string>();

  /** The most requests that waited for their answer at the same time. */
  mostAtOnce = 0;
  private readonly open = new Set<() => void>();
  private held = false;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebhookReceiver> {
    const server = createServer();
    const receiver = new WebhookReceiver(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const path = request.url!;
        receiver.received.push({ path, headers: request.headers, body: Buffer.concat(chunks).toString() });
        const answer = () => {
          receiver.open.delete(answer);
          const status = receiver.answers.get(path)?.shift() ?? 204;
          const wait = receiver.retryAfter.get(path);
          const headers = {
            ...(status === 302 && { location: '/elsewhere' }),
            ...(wait !== undefined && { 'retry-after': wait }),
          };
          response.writeHead(status, headers).end();
        };
        receiver.open.add(answer);
        response.on('close', () => receiver.open.delete(answer));
        receiver.mostAtOnce = Math.max(receiver.mostAtOnce, receiver.open.size);
        // Not at once, so that requests that come together are seen to be open together.
        if (!receiver.held) setImmediate(answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Lets every request wait for an answer, like a host that hangs. */
  hold(): void {
    this.held = true;
  }

  /** Requests that wait for their answer. */
  get waiting(): number {
    return this.open.size;
  }

  /** Answers those that wait, and all that come. */
  release(): void {
    this.held = false;
    for (const answer of this.open) answer();
  }

  at(path: string): ReceivedWebhook[] {
    return this.received.filter((webhook) => webhook.path === path);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
