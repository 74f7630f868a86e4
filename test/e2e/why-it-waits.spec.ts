import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getQueueToken } from '@nestjs/bull';
import { Logger } from '@nestjs/common';
import type { Queue } from 'bull';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { SchemaFit } from '../../src/platform/database/installation.js';
import { CHUNK_QUEUE, type ChunkJob } from '../../src/platform/queue/queues.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { PrivateRedis } from '../support/private-redis.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PROCESSES = '/API/WorkflowImportQueue/ImportProcesses';
const BATCHES = '/API/WorkflowImportQueue/Batches';

describe('a batch that waits says what for', () => {
  let app: TestApp;
  let client: ImportClient;
  let sql: Client;
  let receiver: Server;
  const open: ServerResponse[] = [];

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      request.resume();
      open.push(response);
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    app = await startTestApp({ ALLOW_PRIVATE_TARGETS: 'true' });
    client = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql?.end();
    receiver?.closeAllConnections();
    receiver?.close();
    await app?.close();
  });

  const send = async (importProcessId: number, rows: object[]): Promise<number> =>
    (await client.createBatch(jsonl(rows), { importProcessId })).body
      .WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
  const waitingFor = async (id: number) => (await client.batch(id)).waitingFor;
  const listed = async (id: number) =>
    (await client.get(`${BATCHES}?limit=5`)).body.items.find(
      (each: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: number }) => each.WORKFLOW_IMPORT_QUEUE_BATCH_ID === id,
    ).waitingFor;
  const page = async (path: string) => {
    const cookie = await signIn(app, 'operator');
    return (await fetch(`${app.url}${path}`, { headers: { cookie } })).text();
  };

  /** Break it: answer false for `isLimited` in `selectBatches`. */
  it('others of its file type, which use all the requests that may be open', async () => {
    const { port } = receiver.address() as AddressInfo;
    const { body } = await client.post(PROCESSES, {
      name: 'limited',
      target: { kind: 'http', url: `http://127.0.0.1:${port}/`, concurrency: 2 },
    });
    const first = await send(body.id, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    await eventually(() => open.length === 2, 'as many requests as may be open');
    expect(await waitingFor(first)).toBeNull();
    const second = await send(body.id, [{ n: 4 }]);
    const limited = { reason: 'concurrency', batchesAhead: null };
    expect([await waitingFor(second), await listed(second)]).toEqual([limited, limited]);
    expect(await page(`/imports/${second}`)).toContain('use all the requests that it may send at a time');
    // Another file type has requests of its own.
    const other = await client.post(PROCESSES, {
      name: 'other',
      target: { kind: 'http', url: `http://127.0.0.1:${port}/`, concurrency: 2 },
    });
    const third = await send(other.body.id, [{ n: 5 }]);
    await eventually(() => open.length === 3, 'the request of the other file type');
    expect(await waitingFor(third)).toBeNull();
    receiver.on('request', (_, response) => response.writeHead(204).end());
    for (const response of open) response.writeHead(204).end();
    for (const id of [first, second, third]) {
      expect((await client.ended(id)).status).toBe('completed');
      expect(await waitingFor(id)).toBeNull();
    }
  });

  /** Break it: in `WorkerPresence.renew`, state no refusal. */
  it('a worker that fits the schema', async () => {
    const importProcessId = await client.setUp();
    await sql.query(`UPDATE schema_compatibility SET compatible_from = '999.0.0'`);
    await app.app.get(SchemaFit).check();
    const id = await send(importProcessId, [member(1)]);
    const unfit = { reason: 'schema', batchesAhead: null };
    await eventually(async () => (await waitingFor(id))?.reason === 'schema', 'the reason');
    expect([await waitingFor(id), await listed(id)]).toEqual([unfit, unfit]);
    expect(await page(`/imports/${id}`)).toContain('no worker fits the schema of the database');
    expect(await page('/overview')).toContain(
      'takes no imports: the schema is for version 999.0.0 and later',
    );
    await sql.query(`UPDATE schema_compatibility SET compatible_from = '0.1.0'`);
    await app.app.get(SchemaFit).check();
    expect((await client.ended(id)).status).toBe('completed');
    // It is listed as fit again with its next sign of life.
    await eventually(async () => {
      const fits = await sql.query('SELECT FROM import_queue_worker WHERE refusal IS NULL');
      return fits.rowCount === 1;
    }, 'the worker to be listed as fit');
  });
});

describe('a worker whose Redis user lacks permissions', () => {
  let redis: PrivateRedis;
  let administrator: Redis;
  let app: TestApp | undefined;
  const error = jest.spyOn(Logger.prototype, 'error');

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    administrator = new Redis(redis.url);
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(async () => {
    error.mockRestore();
    administrator.disconnect();
    await redis.stop();
  });

  const grant = (...rules: string[]) => administrator.call('ACL', 'SETUSER', 'wiq', ...rules);
  const ready = async () => {
    const response = await fetch(`${app?.url}/health/ready`);
    return { status: response.status, checks: ((await response.json()) as any).checks };
  };

  /**
   * Break it: in `QueueConsumer.beginAgain`, do not consume again (the first case); leave out the listener of
   * `onApplicationBootstrap` (the second).
   */
  it.each([
    ['to subscribe when it starts', ['resetchannels'], ['allchannels']],
    ['to take jobs', ['-brpoplpush'], ['+brpoplpush']],
  ])('%s is not ready, says so, and works once they are granted', async (_, without, granted) => {
    error.mockClear();
    await grant('reset', 'on', '>secret', 'allkeys', 'allchannels', '+@all');
    await grant(...without);
    const url = new URL(redis.url);
    url.username = 'wiq';
    url.password = 'secret';
    app = await startTestApp({ REDIS_URL: url.href, ROLE: 'worker' });
    const refused = await eventually(async () => {
      const answer = await ready();
      return answer.status === 503 ? answer : null;
    }, 'the worker to say that it does not work');
    expect(refused.checks).toMatchObject({ redis: { status: 'up' }, queues: { status: 'down' } });
    expect(refused.checks.queues.reason).toMatch(/import-chunks is not consumed: NOPERM/);
    const lines = error.mock.calls.map(([line]) => JSON.stringify(line));
    expect(lines.filter((line) => /the queue \\"import-chunks\\" is not consumed/.test(line))).toHaveLength(
      1,
    );
    await grant(...granted);
    await eventually(async () => (await ready()).status === 200, 'the worker to be ready');
    const queue = app.app.get<Queue<ChunkJob>>(getQueueToken(CHUNK_QUEUE), { strict: false });
    await queue.add({ batchId: 1, chunkNumber: 1 });
    await eventually(async () => (await queue.getCompletedCount()) === 1, 'a job to be taken');
  });
});
