import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { eventually } from '../support/eventually.js';
import { ImportClient } from '../support/import-client.js';
import { Observer } from '../crash/support/observer.js';
import { Site } from '../crash/support/site.js';

jest.setTimeout(900_000);

const RECORDS = Number(process.env.HTTP_RECORDS ?? 100_000);
const RATE = Number(process.env.HTTP_RATE ?? 600);
/** Longer than the time between two samples of the connections, so that one that waits with a record is seen. */
const TIMEOUT_MS = 2_500;
const SAMPLE_MS = 1_000;

/** What one record in a hundred each meets at its first attempt. */
const FAULTS: readonly ((response: ServerResponse) => void)[] = [
  (response) => response.writeHead(500).end('later'),
  (response) => response.writeHead(429, { 'retry-after': '1' }).end(),
  (response) => response.socket?.resetAndDestroy(),
  () => undefined,
  (response) =>
    response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('.'), 100);
    response.on('close', () => clearInterval(timer));
  },
  (response) => response.writeHead(200).end('x'.repeat(1_000_000)),
];

/** Counts the requests of each line, and answers with the faults; while it is down, 503 to all. */
class FaultyReceiver {
  /** By line: the keys of its requests. */
  readonly keys = new Map<number, string[]>();
  /** Requests by second. */
  readonly perSecond = new Map<number, number>();
  requests = 0;
  isDown = false;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FaultyReceiver> {
    const server = createServer();
    const receiver = new FaultyReceiver(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      request.resume().on('end', () => receiver.answer(request, response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  private answer({ headers }: IncomingMessage, response: ServerResponse): void {
    const line = Number(headers['x-import-line']);
    const keys = this.keys.get(line) ?? [];
    keys.push(String(headers['idempotency-key']));
    this.keys.set(line, keys);
    this.requests += 1;
    const second = Math.floor(performance.now() / 1_000);
    this.perSecond.set(second, (this.perSecond.get(second) ?? 0) + 1);
    const fault = keys.length === 1 ? FAULTS[line % 100] : undefined;
    if (this.isDown) response.writeHead(503).end();
    else if (fault === undefined) response.writeHead(204).end();
    else fault(response);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A connection in a transaction, and for how long it has had nothing to do. */
interface Held {
  pid: number;
  seconds: number;
}

/** Samples the connections of the workers. One that waits with a record for the receiver is idle in its transaction. */
class ConnectionWatch {
  held: Held[] = [];
  samples = 0;
  readonly owners = new Set<string>();
  private running = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly observer: Observer) {
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.sample());
    }, SAMPLE_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async sample(): Promise<void> {
    const idle = await this.observer.rows<Held>(
      `SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'
          AND clock_timestamp() - state_change > $1 * interval '1 millisecond'`,
      [TIMEOUT_MS - SAMPLE_MS],
    );
    this.held.push(...idle);
    this.samples += 1;
    const leases = await this.observer.rows<{ owner: string }>(
      'SELECT DISTINCT lease_owner AS owner FROM import_queue_chunk WHERE lease_owner IS NOT NULL',
    );
    for (const { owner } of leases) this.owners.add(owner);
  }
}

describe(`${RECORDS} records to a URL at ${RATE} requests a second, by two workers`, () => {
  let receiver: FaultyReceiver;
  let site: Site;
  let client: ImportClient;

  beforeAll(async () => {
    receiver = await FaultyReceiver.start();
    site = await Site.open({ ALLOW_PRIVATE_TARGETS: 'true', CHUNK_SIZE: '500' });
    const [api, ...workers] = [site.start('api'), site.start('worker'), site.start('worker')];
    client = new ImportClient(await api.ready());
    for (const worker of workers) await worker.ready();
  });
  afterAll(async () => {
    await site?.close();
    await receiver?.stop();
  });

  /** Break it: hold a transaction open in `ChunkDelivery.run`; in `SharedPace`, count in the process alone. */
  it('arrive at least once each, under one key, while one in a hundred meets each kind of fault', async () => {
    const { body: process } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      name: 'Everything',
      target: {
        ...{ kind: 'http', url: receiver.url, concurrency: 64, ratePerSecond: RATE },
        timeoutMs: TIMEOUT_MS,
      },
    });
    const watch = new ConnectionWatch(site.observer);
    const begun = performance.now();
    const lines = Array.from({ length: RECORDS }, (_, index) => `{"n":${index + 1}}`);
    const { body } = await client.createBatch(lines.join('\n'), { importProcessId: process.id });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;

    await eventually(() => receiver.requests > RECORDS / 2, 'half of the records', 600_000);
    receiver.isDown = true;
    const downAt = performance.now();
    await eventually(async () => (await client.batch(id)).status === 'paused', 'the circuit breaker', 60_000);
    const downFor = (performance.now() - downAt) / 1_000;
    const paused = await client.batch(id);
    const { body: groups } = await client.get(`/API/WorkflowImportQueue/Batches/${id}/ErrorGroups`);
    expect({ ...paused, groups: groups.items }).toMatchObject({
      ...{ pauseReason: 'target_unavailable', recordCounts: { failed: 0 }, groups: [] },
    });
    receiver.isDown = false;

    const ended = await client.ended(id, 600_000);
    const seconds = (performance.now() - begun) / 1_000;
    await watch.stop();
    const keysOf = [...receiver.keys.values()];
    const busiest = Math.max(...receiver.perSecond.values());
    console.log(
      JSON.stringify({
        ...{ seconds: Math.round(seconds), requests: receiver.requests, busiestSecond: busiest },
        ...{ again: keysOf.filter((keys) => keys.length > 1).length, samples: watch.samples },
        ...{
          ...{ pausedAt: paused.progress.processed, pausedAfterSeconds: Math.round(downFor) },
          recordCounts: ended.recordCounts,
          workers: watch.owners.size,
        },
      }),
    );
    expect(ended).toMatchObject({
      status: 'completed',
      recordCounts: { total: RECORDS, succeeded: RECORDS, failed: 0, unknown: 0 },
    });
    expect(receiver.keys.size).toBe(RECORDS);
    expect(keysOf.filter((keys) => new Set(keys).size !== 1)).toEqual([]);
    expect(watch.owners.size).toBe(2);
    expect(watch.held).toEqual([]);
    // A second of ours may have the requests of two of theirs at its edges.
    expect(busiest).toBeLessThan(2 * RATE);
    const violations = await examine(site.observer.client, INVARIANTS);
    expect(violations.map(({ invariant, rows }) => [invariant.code, rows])).toEqual([]);
  });
});
