import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { newWebhookSecret } from '../../src/delivery/webhook-endpoint.js';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { REPAIRS } from '../../src/operations/doctor/repairs.js';
import { AppConfig } from '../../src/platform/config/config.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { SharedLimits } from '../../src/platform/shared-limits.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

type Answering = (request: Received, response: ServerResponse, count: number) => void;

/** A receiver that answers what the test says, and counts the requests of each key. */
class Receiver {
  readonly received: Received[] = [];
  answer: Answering = (_, response) => response.writeHead(204).end();
  private readonly counts = new Map<string, number>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { url = '', headers } = request;
        const received = { path: url, headers, body: Buffer.concat(parts).toString() };
        const key = String(headers['idempotency-key']);
        const count = (receiver.counts.get(key) ?? 0) + 1;
        receiver.counts.set(key, count);
        receiver.received.push(received);
        receiver.answer(received, response, count);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  at(path: string): Received[] {
    return this.received.filter((each) => each.path === path);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const ROUTE = '/API/WorkflowImportQueue/ImportProcesses';

describe('imports that are delivered to a URL', () => {
  let app: TestApp;
  let client: ImportClient;
  let receiver: Receiver;
  let sql: DatabaseService;

  beforeAll(async () => {
    receiver = await Receiver.start();
    app = await startTestApp({
      ALLOW_PRIVATE_TARGETS: 'true',
      CHUNK_SIZE: '50',
      RECONCILE_INTERVAL_MS: '200',
    });
    client = new ImportClient(app.url);
    sql = app.app.get(DatabaseService);
  });
  afterAll(async () => {
    await app?.close();
    await receiver?.stop();
  });

  const saved = async (name: string, target: object = {}, more: object = {}): Promise<number> => {
    const url = `http://127.0.0.1:${receiver.port}/${name}`;
    const { status, body } = await client.post(ROUTE, {
      name,
      target: { kind: 'http', url, ...target },
      ...more,
    });
    expect([status, body]).toEqual([201, expect.anything()]);
    return body.id as number;
  };
  const recordsOf = async (id: number) =>
    (await client.get(`/API/WorkflowImportQueue/Batches/${id}/Records?limit=200`)).body.items as Record<
      string,
      unknown
    >[];
  const send = async (process: number, rows: object[]): Promise<number> => {
    const { status, body } = await client.createBatch(jsonl(rows), { importProcessId: process });
    expect(status).toBe(202);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
  };

  it('send each record as it is, and keep what the receiver answered', async () => {
    const process = await saved('plain');
    receiver.answer = ({ body }, response) => {
      const { n } = JSON.parse(body) as { n: number };
      if (n === 1) response.writeHead(201, { 'content-type': 'application/json' }).end('{"reference":"c-1"}');
      else if (n === 2) response.writeHead(200).end('taken as 2');
      else if (n === 3) response.writeHead(422).end('{"message":"no such\\nteam"}');
      else if (n === 5) response.writeHead(302, { location: '/elsewhere' }).end();
      else response.writeHead(204).end();
    };
    const id = await send(process, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]);
    expect((await client.ended(id)).recordCounts).toMatchObject({ total: 5, succeeded: 3, failed: 2 });
    expect(await recordsOf(id)).toMatchObject([
      { status: 'succeeded', operation: 'created', reference: 'c-1', attempts: 1 },
      { status: 'succeeded', operation: null, reference: 'taken as 2' },
      {
        status: 'failed',
        operation: 'rejected',
        error: { code: 'target_refused', message: expect.stringContaining('422') },
      },
      { status: 'succeeded', reference: null },
      { status: 'failed', error: { message: expect.stringContaining('redirects are not followed') } },
    ]);
    expect(receiver.at('/elsewhere')).toEqual([]);
    const [first] = receiver.at('/plain').filter(({ headers }) => headers['x-import-line'] === '1');
    expect(first).toMatchObject({ body: '{"n":1}', headers: { 'x-import-batch': String(id) } });
  });

  /**
   * Break it: in `HttpDelivery.attempt`, count `425` as an answer; in `WebhookClient.exchange`, leave out the handler of
   * `upgrade`.
   */
  it('repeat what may succeed another time, with the same bytes under the same key', async () => {
    const secret = newWebhookSecret();
    const previousSecret = newWebhookSecret();
    const process = await saved('faults', { secret, previousSecret, timeoutMs: 400, concurrency: 20 });
    const faults: Record<string, (response: ServerResponse) => void> = {
      timeout408: (response) => response.writeHead(408).end(),
      early425: (response) => response.writeHead(425).end(),
      many429: (response) => response.writeHead(429, { 'retry-after': '1' }).end(),
      down503: (response) => response.writeHead(503).end('later'),
      reset: (response) => response.socket?.resetAndDestroy(),
      silence: () => undefined,
      switching101: (response) =>
        response.socket?.write(
          'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
        ),
    };
    const atOnce: Record<string, (response: ServerResponse) => void> = {
      drip: (response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write('.'), 20);
        response.on('close', () => clearInterval(timer));
      },
      huge: (response) => response.writeHead(200).end('x'.repeat(5_000_000)),
      ok: (response) => response.writeHead(204).end(),
    };
    receiver.answer = ({ body }, response, count) => {
      const { kind } = JSON.parse(body) as { kind: string };
      if (count === 1 && kind in faults) faults[kind]?.(response);
      else (atOnce[kind] ?? atOnce.ok)?.(response);
    };
    const kinds = [...Object.keys(faults), ...Object.keys(atOnce)];
    const id = await send(
      process,
      kinds.map((kind) => ({ kind })),
    );
    expect((await client.ended(id)).recordCounts).toMatchObject({ succeeded: kinds.length });
    const records = await recordsOf(id);
    expect(records.map(({ attempts }) => attempts)).toEqual(kinds.map((kind) => (kind in faults ? 2 : 1)));
    expect(String(records.at(-2)?.reference)).toHaveLength(500);
    for (const [place, kind] of kinds.entries()) {
      const requests = receiver
        .at('/faults')
        .filter(({ headers }) => headers['x-import-line'] === String(place + 1));
      expect([kind, requests.length]).toEqual([kind, kind in faults ? 2 : 1]);
      expect(new Set(requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      for (const { headers, body } of requests) {
        expect(body).toBe(JSON.stringify({ kind }));
        expect(headers['idempotency-key']).toBe(headers['webhook-id']);
        for (const each of [secret, previousSecret])
          new Webhook(each).verify(body, headers as Record<string, string>);
      }
    }
    const { rows } = await sql.query('SELECT FROM import_queue_delivery');
    expect(rows).toEqual([]);
  });

  /** Break it: in `HttpDelivery.outcomesOf`, send again whatever the number of attempts. */
  it('give a record up after its attempts while the receiver takes others', async () => {
    const process = await saved('poison', { maxAttempts: 2, concurrency: 1 });
    receiver.answer = ({ body }, response) =>
      response.writeHead(body.includes('bad') ? 500 : 200).end('oh no');
    const id = await send(process, [{ n: 'bad' }, { n: 1 }, { n: 2 }]);
    expect((await client.ended(id)).recordCounts).toMatchObject({ succeeded: 2, failed: 1 });
    expect((await recordsOf(id))[0]).toMatchObject({
      attempts: 2,
      error: {
        code: 'target_failed',
        message: '2 attempts failed; the last one: The receiver answered 500: oh no',
      },
    });
  });

  it('send arrays under one key each, and take an outcome per record from the answer', async () => {
    const process = await saved('arrays', { batchSize: 3 });
    receiver.answer = ({ body }, response) => {
      const rows = JSON.parse(body) as { n: number }[];
      const items = rows.map(({ n }) =>
        n === 2 ? { status: 409, error: 'twice' } : { status: 201, reference: `r${n}` },
      );
      if (rows.length === 3) response.writeHead(200).end(JSON.stringify(items));
      else response.writeHead(204).end();
    };
    const id = await send(
      process,
      [1, 2, 3, 4, 5].map((n) => ({ n })),
    );
    await client.ended(id);
    expect(await recordsOf(id)).toMatchObject([
      { operation: 'created', reference: 'r1' },
      { status: 'failed', error: { message: 'The receiver answered 409 for this record: twice' } },
      { operation: 'created', reference: 'r3' },
      { status: 'succeeded', reference: null },
      { status: 'succeeded', reference: null },
    ]);
    const requests = receiver.at('/arrays');
    expect(requests.map(({ body }) => body).sort()).toEqual([
      '[{"n":1},{"n":2},{"n":3}]',
      '[{"n":4},{"n":5}]',
    ]);
    expect(requests.map(({ headers }) => headers['x-import-line']).sort()).toEqual(['1', '4']);
    expect(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  /** Break it: leave `target_unavailable` out of `PROBED`. */
  it('pause while the receiver is down, try one record, and go on once it answers', async () => {
    const process = await saved('breaker', { concurrency: 4, ratePerSecond: 500 });
    let isDown = true;
    receiver.answer = (_, response) => response.writeHead(isDown ? 500 : 204).end();
    const id = await send(
      process,
      Array.from({ length: 120 }, (_, n) => ({ n })),
    );
    await eventually(async () => (await client.batch(id)).status === 'paused', 'the pause');
    const paused = await client.batch(id);
    expect(paused).toMatchObject({
      pauseReason: 'target_unavailable',
      failureReason: expect.stringContaining('500'),
    });
    await eventually(async () => {
      const { rows } = await sql.query(
        `SELECT FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1 AND state = 'queued'`,
        [id],
      );
      return rows.length === 0;
    }, 'all chunks to be handed back');
    const before = receiver.at('/breaker').length;
    const probe = () =>
      sql.query(`UPDATE import_queue_batch SET probe_at = now() WHERE workflow_import_queue_batch_id = $1`, [
        id,
      ]);
    await probe();
    await eventually(() => receiver.at('/breaker').length > before, 'a probe');
    expect((await client.batch(id)).status).toBe('paused');
    isDown = false;
    await eventually(async () => {
      await probe();
      return (await client.batch(id)).status !== 'paused';
    }, 'a probe that is answered');
    expect((await client.ended(id)).recordCounts).toMatchObject({ succeeded: 120 });
  });

  /**
   * Break it: in `HttpDelivery.settle`, let a record fail whatever `isAtFault` says; in `ChunkDelivery.end`,
   * leave `forgiveAttempts` out.
   */
  it('fail no record while the receiver answers 5xx to all, and one that it never takes once it takes others', async () => {
    const process = await saved('small', { maxAttempts: 2 });
    let isDown = true;
    receiver.answer = ({ body }, response) =>
      response.writeHead(isDown || body.includes('bad') ? 500 : 204).end();
    const id = await send(process, [{ n: 'bad' }, { n: 1 }, { n: 2 }]);
    await eventually(async () => (await client.batch(id)).status === 'paused', 'the pause');
    expect(await client.batch(id)).toMatchObject({
      pauseReason: 'target_unavailable',
      recordCounts: { pending: 3, failed: 0 },
    });
    isDown = false;
    await eventually(async () => {
      await sql.query(
        `UPDATE import_queue_batch SET probe_at = now() WHERE workflow_import_queue_batch_id = $1 AND status = 'paused'`,
        [id],
      );
      return (await client.batch(id)).status === 'completed_with_errors';
    }, 'the end');
    expect((await recordsOf(id)).map(({ status }) => status)).toEqual(['failed', 'succeeded', 'succeeded']);
  });

  /** Break it: leave the token out of `IS_HELD`. */
  it('are fenced: a worker that lost its lease saves nothing, and the record goes out again under its key', async () => {
    const process = await saved('fenced', { timeoutMs: 20_000 });
    const held: ServerResponse[] = [];
    receiver.answer = (_, response, count) => {
      if (count === 1) held.push(response);
      else response.writeHead(200).end('by the second');
    };
    const id = await send(process, [{ n: 1 }]);
    await eventually(() => held.length === 1, 'the request');
    await sql.query(
      `UPDATE import_queue_chunk SET lease_token = lease_token + 1, lease_until = now()
        WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    held[0]?.writeHead(200).end('by the first');
    expect((await client.ended(id)).recordCounts).toMatchObject({ succeeded: 1 });
    expect(await recordsOf(id)).toMatchObject([{ reference: 'by the second' }]);
    const keys = receiver.at('/fenced').map(({ headers }) => headers['idempotency-key']);
    expect([keys.length, new Set(keys).size]).toEqual([2, 1]);
  });

  /** Break it: in `HttpDelivery.outcomesOf`, leave out the answer for targets that are not idempotent. */
  it('are unknown, and sent once, if the receiver takes no keys', async () => {
    const process = await saved('once', { idempotent: false, timeoutMs: 300 });
    receiver.answer = ({ body }, response, count) => {
      if (body.includes('silent')) return;
      if (body.includes('busy') && count === 1) response.writeHead(429).end();
      else response.writeHead(body.includes('500') ? 500 : 204).end();
    };
    const rows = [{ kind: 'silent' }, { kind: '500' }, { kind: 'busy' }, { kind: 'ok' }];
    const id = await send(process, rows);
    expect(await client.ended(id)).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 4, succeeded: 2, unknown: 2, failed: 0 },
    });
    expect((await recordsOf(id)).map(({ status }) => status)).toEqual([
      'unknown',
      'unknown',
      'succeeded',
      'succeeded',
    ]);
    expect(
      receiver.at('/once').filter(({ body }) => body.includes('silent') || body.includes('500')),
    ).toHaveLength(2);
    const path = `/API/WorkflowImportQueue/Batches/${id}`;
    expect((await client.post(`${path}/RetryFailed`)).status).toBe(409);
  });

  /**
   * Break it: in `resolveRecords`, leave the chunk out; in `FixService`, send unknown records, too; in `REPAIRS`, leave out
   * `resolved_count`; in `resolveRecords`, leave out `countingDelivered`.
   */
  it('that are unknown wait for a person, who states whether the receiver has them', async () => {
    const process = await saved('asked', { idempotent: false });
    let losing = true;
    receiver.answer = ({ body }, response) =>
      response.writeHead(body.includes('lost') && losing ? 500 : 204).end();
    const rows = [{ n: 'lost 1' }, { n: 'lost 2' }, { n: 'lost 3' }, { n: 'fine' }];
    const id = await send(process, rows);
    const path = `/API/WorkflowImportQueue/Batches/${id}`;
    const { recordCounts, links } = await client.ended(id);
    expect([recordCounts.unknown, links.resolve]).toEqual([3, `${path}/Resolve`]);
    const resolve = (body: object, headers = {}) => client.call('POST', `${path}/Resolve`, { body, headers });
    expect((await client.post(`${path}/Fix`, { lines: { 1: { n: 'x' } } })).status).toBe(400);

    const delivered = { outcome: 'delivered', lines: [1] };
    const key = { 'idempotency-key': 'line-1' };
    const first = await resolve(delivered, key);
    expect([first.status, first.body.recordCounts]).toEqual([
      202,
      expect.objectContaining({ total: 4, succeeded: 2, unknown: 2, failed: 0 }),
    ]);
    const replayed = await resolve(delivered, key);
    expect([replayed.status, replayed.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    const { status, body } = await resolve({ outcome: 'delivered', lines: [1, 2] });
    expect([status, body.errors]).toEqual([400, [expect.objectContaining({ code: 'no_unknown_record' })]]);
    expect((await resolve({ outcome: 'not_delivered', lines: [2] })).status).toBe(202);
    expect((await resolve({ outcome: 'delivered' })).body).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 4, succeeded: 3, failed: 1, unknown: 0 },
    });
    expect(await resolve({ outcome: 'delivered' })).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    expect(await recordsOf(id)).toMatchObject([
      { status: 'succeeded', operation: null, error: null },
      { status: 'failed', operation: 'rejected', error: { code: 'not_delivered' } },
      { status: 'succeeded' },
      { status: 'succeeded' },
    ]);
    losing = false;
    const { body: retry } = await client.post(`${path}/RetryFailed`);
    expect((await client.ended(retry.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).recordCounts).toMatchObject({
      total: 1,
      succeeded: 1,
    });
    const sent = receiver.at('/asked').map((request) => (JSON.parse(request.body) as { n: string }).n);
    expect(sent.sort()).toEqual(['fine', 'lost 1', 'lost 2', 'lost 2', 'lost 3']);
    const { rows: events } = await sql.query<{ details: object }>(
      `SELECT details FROM audit_log WHERE action = 'records_resolved' ORDER BY audit_id`,
    );
    expect(events.map(({ details }) => details)).toEqual([
      { outcome: 'delivered', records: 1, lines: [1] },
      { outcome: 'not_delivered', records: 1, lines: [2] },
      { outcome: 'delivered', records: 1, lines: [3] },
    ]);

    // The hours on the overview count as the batch does.
    const { rows: sums } = await sql.query(
      `SELECT sum(s.succeeded)::integer AS succeeded, sum(s.failed)::integer AS failed
         FROM import_queue_statistics s JOIN import_queue_batch b USING (import_process_id)
        WHERE b.workflow_import_queue_batch_id = $1`,
      [id],
    );
    // One more was sent again by RetryFailed.
    expect(sums).toEqual([{ succeeded: 4, failed: 1 }]);

    // All delivered: the status still says that the batch ended with errors, and no repair takes that back.
    losing = true;
    const last = await send(process, [{ n: 'lost 4' }]);
    await client.ended(last);
    await client.post(`/API/WorkflowImportQueue/Batches/${last}/Resolve`, { outcome: 'delivered' });
    await sql.query(REPAIRS.status_fits_counts!);
    expect(await client.batch(last)).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 1, succeeded: 1 },
    });
    const violations = await examine(sql, INVARIANTS);
    expect(violations.map(({ invariant, rows: found }) => [invariant.code, found])).toEqual([]);
  });

  it('store the URL and the secrets encrypted, show neither, and keep what a client sends back hidden', async () => {
    const secret = newWebhookSecret();
    const url = `http://ada:pass%20word@127.0.0.1:${receiver.port}/sealed?token=1`;
    const process = await saved('sealed', { url, secret });
    const { rows } = await sql.query<{ target: string }>(
      'SELECT target::text AS target FROM import_process_version WHERE import_process_id = $1',
      [process],
    );
    for (const text of [secret, 'pass%20word', 'token=1']) expect(rows[0]?.target).not.toContain(text);
    const { body } = await client.get(`${ROUTE}/${process}`);
    expect(body.target).toMatchObject({ url: url.replace('pass%20word', '********'), secret: '********' });
    expect((await client.call('PUT', `${ROUTE}/${process}`, { body: { ...body, note: 'n' } })).status).toBe(
      200,
    );
    const elsewhere = { ...body.target, url: 'https://ada:********@evil.example.org/' };
    const refused = await client.call('PUT', `${ROUTE}/${process}`, {
      body: { ...body, version: 2, target: elsewhere },
    });
    expect(refused.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/target/url',
      '/target/secret',
    ]);
    receiver.answer = (_, response) => response.writeHead(204).end();
    await client.ended(await send(process, [{ n: 1 }]));
    const [{ headers, body: sent } = { headers: {}, body: '' }] = receiver.at('/sealed?token=1');
    expect(headers.authorization).toBe(`Basic ${Buffer.from('ada:pass word').toString('base64')}`);
    new Webhook(secret).verify(sent, headers as Record<string, string>);
  });

  it('are sent in line order by an ordered import process, stop for a cancel, and check rows by the schema', async () => {
    const recordSchema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
    const process = await saved('ordered', {}, { ordered: true, recordSchema });
    const responses: ServerResponse[] = [];
    receiver.answer = ({ body }, response, count) => {
      if (body === '{"n":4}') responses.push(response);
      else response.writeHead(body === '{"n":2}' && count === 1 ? 503 : 204).end();
    };
    const id = await send(process, [{ n: 1 }, { n: 2 }, { n: 'x' }, { n: 4 }, { n: 5 }]);
    await eventually(() => responses.length === 1, 'line 4');
    expect((await client.post(`/API/WorkflowImportQueue/Batches/${id}/Cancel`)).status).toBe(202);
    responses[0]?.writeHead(204).end();
    expect(await client.ended(id)).toMatchObject({
      status: 'canceled',
      recordCounts: { succeeded: 3, invalid: 1, canceled: 1 },
    });
    const lines = receiver.at('/ordered').map(({ headers }) => headers['x-import-line']);
    expect(lines).toEqual(['1', '2', '2', '4']);
  });

  /** Break it: in `LeasedChunks.lease`, take `isPart` as false; in `writeDeliveredOutcomes`, count nothing as failed. */
  it('pause for the review of a canary, and when the error budget is used up', async () => {
    const process = await saved('budget', {}, { ordered: true });
    receiver.answer = (_, response) => response.writeHead(422).end();
    const rows = Array.from({ length: 120 }, (_, n) => ({ n }));
    const query = { importProcessId: process, canary: 2, maxFailed: 10 };
    const { body } = await client.createBatch(jsonl(rows), query);
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    const pausedFor = (reason: string) =>
      eventually(async () => (await client.batch(id)).pauseReason === reason, reason);
    await pausedFor('canary');
    expect(receiver.at('/budget').map(({ headers }) => headers['x-import-line'])).toEqual(['1', '2']);
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Resume`);
    await pausedFor('error_budget');
    // The chunk that used it up was finished.
    expect((await client.batch(id)).recordCounts).toMatchObject({ failed: 50, pending: 70 });
    expect(receiver.at('/budget')).toHaveLength(50);
  });

  /** Break it: in `SharedPace.reserve`, leave Redis out. */
  it('share their rate over all workers', async () => {
    const config = app.app.get(AppConfig);
    const limits = [new SharedLimits(config), new SharedLimits(config)];
    const paces = limits.map((each) => each.paceOf('http-target'));
    let source = '';
    await eventually(async () => {
      source = `rate-${Math.random()}`;
      const [, second] = [await paces[0]!.reserve(source, 1), await paces[1]!.reserve(source, 1)];
      return second > 0;
    }, 'both to be connected');
    const waits = await Promise.all(Array.from({ length: 10 }, (_, n) => paces[n % 2]!.reserve(source, 1)));
    // At one a second: in a place of their own each, not in five places twice.
    expect(Math.max(...waits)).toBeGreaterThan(7_000);
    for (const each of limits) each.beforeApplicationShutdown();
  });

  it('refuses mistakes in the target, each with its place', async () => {
    const target = { kind: 'http', url: 'ftp://x', secret: 'abc', batchSize: 0, timeoutMs: 1.5, retries: 3 };
    const { body } = await client.post(ROUTE, { name: 'wrong', target });
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(
      ['batchSize', 'retries', 'secret', 'timeoutMs', 'url'].map((name) => `/target/${name}`),
    );
  });
});

/** Break it: in `WebhookClient`, do not check the address of the host. */
it('imports to an address that is not public pause, and nothing is sent', async () => {
  const receiver = await Receiver.start();
  const closed = await startTestApp({ RECONCILE_INTERVAL_MS: '200' });
  try {
    const client = new ImportClient(closed.url);
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '169.254.169.254']) {
      const { body } = await client.post(ROUTE, {
        name: `at ${host}`,
        target: { kind: 'http', url: `http://${host}:${receiver.port}/inside` },
      });
      const sent = await client.createBatch('{"n":1}', { importProcessId: body.id });
      const id = sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
      await eventually(async () => (await client.batch(id)).status === 'paused', host);
      expect(await client.batch(id)).toMatchObject({
        pauseReason: 'target_unavailable',
        failureReason: expect.stringContaining('ALLOW_PRIVATE_TARGETS'),
        recordCounts: { pending: 1 },
      });
    }
    expect(receiver.received).toEqual([]);
  } finally {
    await closed.close();
    await receiver.stop();
  }
});
