import { get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { createApp } from '../../src/app/start.js';
import { AdmissionService } from '../../src/import-queue/admission.service.js';
import { Upload } from '../crash/support/upload.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { PrivateRedis } from '../support/private-redis.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

/** One key must not keep others out, whichever process it calls. */
describe('the share of a key', () => {
  let test: TestApp | undefined;
  let stops: (() => Promise<unknown>)[] = [];
  let client: ImportClient;
  let other: ImportClient;
  let importProcessId: number;
  let second: INestApplication | undefined;
  let people = 0;

  const start = async (environment: Record<string, string>) => {
    test = await startTestApp({ ROLE: 'api', ADMISSION_WAIT_MS: '0', ...environment });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    const { body } = await client.post('/API/ApiKeys', {
      name: 'other',
      permissions: ['BeginWorkflowImportProcess'],
    });
    other = new ImportClient(test.url, body.key);
  };
  /** A second process on the same servers; answers its URL. */
  const startSecond = async () => {
    const app = await createApp({ ...test!.config, migrateOnStart: false });
    await app.listen(0, '127.0.0.1');
    second = app;
    stops.push(() => app.close());
    return `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  };
  const sendBy = (sender: ImportClient, records = 1) =>
    sender.createBatch(jsonl(Array.from({ length: records }, () => member((people += 1)))), {
      importProcessId,
    });
  const path = () => `/API/WorkflowImportQueue/CreateBatch?fileName=x&importProcessId=${importProcessId}`;

  /** How many bodies the process receives now. */
  const openIn = (app: INestApplication) => app.get(AdmissionService, { strict: false }).gate.open;

  afterEach(async () => {
    for (const stop of stops) await stop();
    stops = [];
    await test?.close();
    test = undefined;
  });

  /** Break it: in `SharedLimits`, give each process its own prefix. */
  it('of calls is counted over all processes', async () => {
    await start({ CREATE_RATE_PER_MINUTE: '3' });
    const second = new ImportClient(await startSecond());
    expect([(await sendBy(client)).status, (await sendBy(second)).status]).toEqual([202, 202]);
    expect((await sendBy(client)).status).toBe(202);
    expect(await sendBy(second)).toMatchObject({
      status: 429,
      body: { code: 'rate_limit_exceeded', limit: 3 },
    });
    expect((await sendBy(other)).status).toBe(202);
  });

  /** Break it: in `SharedLimit`, use `shared` in the place of `ownCount`. */
  it('of calls is counted in the process while Redis is away', async () => {
    const redis = await PrivateRedis.start();
    stops.push(() => redis.stop());
    await start({ CREATE_RATE_PER_MINUTE: '2', REDIS_URL: redis.url });
    await redis.down();
    expect([(await sendBy(client)).status, (await sendBy(client)).status]).toEqual([202, 202]);
    expect((await sendBy(client)).status).toBe(429);
  });

  /** Break it: in `AdmissionService.enter`, enter without an owner. */
  it('of bodies that are being received leaves room for others', async () => {
    await start({ MAX_OPEN_UPLOADS: '4' });
    const slow = Array.from({ length: 3 }, () => new Upload(test!.url, path()));
    for (const upload of slow) await upload.send(jsonl([member((people += 1))]));
    await eventually(() => openIn(test!.app) === 3, 'the share to be taken');
    const refused = await sendBy(client);
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: 'too_many_uploads', limit: 4 });
    expect((await sendBy(other)).status).toBe(202);
    for (const upload of slow) expect((await upload.finish()).status).toBe(202);
    expect((await sendBy(client)).status).toBe(202);
  });

  /** Break it: in `SharedSlots.isTaken`, do not ask Redis. */
  it('of bodies that are being received is bounded over all processes', async () => {
    await start({ OPEN_UPLOADS_PER_KEY: '2' });
    const url = await startSecond();
    const slow = [new Upload(test!.url, path()), new Upload(url, path())];
    for (const upload of slow) await upload.send(jsonl([member((people += 1))]));
    await eventually(() => [test!.app, second!].every((app) => openIn(app) === 1), 'both to be received');
    const refused = await sendBy(client);
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ code: 'too_many_uploads_of_key', limit: 2 });
    expect((await sendBy(other)).status).toBe(202);
    for (const upload of slow) expect((await upload.finish()).status).toBe(202);
    await eventually(async () => (await sendBy(client)).status === 202, 'the slots to be given back');
  });

  /** Break it: in `BodyIntake.countRecords`, do not ask the quota. */
  it('of records per day is bounded, and a refused body stores nothing', async () => {
    await start({ RECORDS_PER_KEY_PER_DAY: '100' });
    expect((await sendBy(client, 80)).status).toBe(202);
    const refused = await sendBy(client, 21);
    expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_records_today', limit: 100 } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const { body } = await client.get('/API/WorkflowImportQueue/Batches');
    expect(body.items).toHaveLength(1);
    expect((await sendBy(other, 80)).status).toBe(202);
  });

  it('of uploads that await confirmation is bounded', async () => {
    await start({ UNCONFIRMED_UPLOADS_PER_KEY: '1' });
    const upload = () => client.upload(jsonl([member((people += 1))]), { importProcessId });
    const first = await upload();
    expect(first.status).toBe(202);
    expect(await upload()).toMatchObject({
      status: 503,
      body: { code: 'too_many_unconfirmed_uploads', limit: 1 },
    });
    expect((await client.act(first, 'Abandon')).status).toBe(202);
    expect((await upload()).status).toBe(202);
  });

  /** Break it: in `assertRoomForBatch`, return after the first check. */
  it('of batches that have not ended leaves room for others', async () => {
    await start({ MAX_WAITING_BATCHES: '60' });
    const refused = await eventually(async () => {
      const answer = await sendBy(client);
      return answer.status === 503 ? answer : null;
    }, 'the share to be reached');
    expect(refused.body).toMatchObject({ code: 'too_many_waiting_batches', limit: 60 });
    expect(refused.body.detail).toContain('kept for others');
    expect((await sendBy(other)).status).toBe(202);
  });

  describe('of event streams', () => {
    const listen = (url: string, key: string, batch: number) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { authorization: `apikey ${key}` };
        const target = `${url}/API/WorkflowImportQueue/Batches/${batch}/Events`;
        httpGet(target, { headers, agent: false }, (response) => resolve(response.resume())).once(
          'error',
          reject,
        );
      });
    const keyThatReads = async () => {
      const { body } = await client.post('/API/ApiKeys', { name: 'reads', permissions: ['ViewImports'] });
      return body as { id: number; key: string };
    };

    it('is bounded over all processes, and a closed stream makes room', async () => {
      await start({ EVENT_STREAMS_PER_KEY: '2' });
      const second = await startSecond();
      const batch = (await sendBy(client)).body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const first = await listen(test!.url, TEST_API_KEY, batch);
      expect([first.statusCode, (await listen(second, TEST_API_KEY, batch)).statusCode]).toEqual([200, 200]);
      expect((await listen(test!.url, TEST_API_KEY, batch)).statusCode).toBe(429);
      const { key } = await keyThatReads();
      expect((await listen(second, key, batch)).statusCode).toBe(200);
      first.destroy();
      await eventually(
        async () => (await listen(second, TEST_API_KEY, batch)).statusCode === 200,
        'the slot to be given back',
      );
    });

    /** Break it: leave out `checkPrincipals`. */
    it('ends when the key is revoked', async () => {
      await start({});
      const batch = (await sendBy(client)).body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const { id, key } = await keyThatReads();
      const stays = await listen(test!.url, TEST_API_KEY, batch);
      const ends = await listen(test!.url, key, batch);
      expect(ends.statusCode).toBe(200);
      expect((await client.call('DELETE', `/API/ApiKeys/${id}`)).status).toBe(204);
      await eventually(() => ends.complete, 'the stream to end');
      expect(stays.destroyed).toBe(false);
    });
  });
});
