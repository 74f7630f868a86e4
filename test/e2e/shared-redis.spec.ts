import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Break it: in `createApp`, leave the id of the installation out of the prefix. */
describe('two installations with one Redis and one prefix', () => {
  const prefix = `shared-${process.pid}`;
  const apps: TestApp[] = [];
  const warn = jest.spyOn(Logger.prototype, 'warn');

  beforeAll(async () => {
    // The reconciler, which finds dropped jobs again, must not help.
    const environment = { QUEUE_PREFIX: prefix, RECONCILE_INTERVAL_MS: '600000', CHUNK_SIZE: '5' };
    for (let n = 0; n < 2; n++) apps.push(await startTestApp(environment));
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    warn.mockRestore();
  });

  /** Break it: in `RedisCheck.onModuleInit`, leave out `warnOfOthers`. */
  it('make the one that starts later say so', async () => {
    const said = () => warn.mock.calls.filter(([text]) => /same QUEUE_PREFIX/.test(String(text)));
    await eventually(() => said().length > 0, 'a warning');
    expect(said()).toHaveLength(1);
  });

  it('each process their own jobs only', async () => {
    const clients = apps.map(({ url }) => new ImportClient(url));
    const processes = await Promise.all(clients.map((client) => client.setUp()));
    const ids = await Promise.all(
      clients.map(async (client, n) => {
        const rows = jsonl(Array.from({ length: 50 }, (_, row) => member(row)));
        const { body } = await client.createBatch(rows, { importProcessId: processes[n]! });
        return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
      }),
    );
    const ended = await Promise.all(clients.map((client, n) => client.ended(ids[n]!)));
    expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed']);
    const redis = new Redis(process.env.REDIS_URL!);
    const keys = await redis.keys(`${prefix}:*:import-chunks:id`);
    redis.disconnect();
    expect(keys).toHaveLength(2);
  });
});
