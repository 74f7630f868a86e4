import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import { Site } from './support/site.js';
import { Upload } from './support/upload.js';

const WITHIN_MS = 30_000;

describe('SIGTERM', () => {
  let site: Site;
  let client: ImportClient;

  beforeAll(async () => {
    site = await Site.open();
    client = await site.client(site.start('api'));
  });
  afterAll(() => site.close());

  /** Keeps every chunk from ending until it is released. */
  async function obstruct(): Promise<() => Promise<void>> {
    const obstacle = new Client({ connectionString: site.database.url });
    await obstacle.connect();
    await obstacle.query('BEGIN; LOCK TABLE workflow_log IN EXCLUSIVE MODE');
    return () => obstacle.end();
  }

  const runningChunks = () =>
    site.observer.number(
      `SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%workflow_log%'`,
    );

  /** Break it: in `AppModule.onModuleDestroy`, do not begin the shutdown (readiness stays true). */
  it('makes a worker report that it is not ready, finish its chunks, take no new one, and exit with code 0', async () => {
    const worker = site.start('worker');
    await worker.ready();
    const clear = await obstruct();
    await site.send(client, 4_000);
    await eventually(runningChunks, 'chunks to run');

    worker.signal('SIGTERM');
    await eventually(
      async () => (await worker.readiness()).body.includes('is stopping'),
      'readiness to be false',
    );
    expect(worker.alive).toBe(true);
    await clear();
    expect(await worker.ended(WITHIN_MS)).toEqual({ code: 0, signal: null });
    // Those it had, not all twenty.
    expect(await site.observer.done()).toBeGreaterThan(0);
    expect(await site.observer.done()).toBeLessThan(3_000);

    const next = site.start('worker');
    expect(await site.problems()).toEqual([]);
    await next.kill();
  });

  /** Break it: in `ImportConsumer.beforeApplicationShutdown`, wait without a bound. */
  it('makes a worker hand back unfinished chunks within 30 s, and loses none', async () => {
    const worker = site.start('worker');
    await worker.ready();
    const clear = await obstruct();
    await site.send(client, 2_000);
    await eventually(runningChunks, 'chunks to run');

    worker.signal('SIGTERM');
    expect(await worker.ended(WITHIN_MS)).toEqual({ code: 0, signal: null });
    await clear();
    site.start('worker');
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: in `stopOnSignal`, exit at once. */
  it('lets an API process answer the body it is receiving, then exit', async () => {
    const api = site.start('api');
    const body = newMembers(5_000);
    const upload = new Upload(await api.ready(), site.createPath());
    await upload.send(body.text.slice(0, 100_000));

    api.signal('SIGTERM');
    await eventually(async () => (await api.readiness()).status !== 200, 'readiness to be false');
    await upload.send(body.text.slice(100_000));
    const answer = await upload.finish();
    expect(answer.status).toBe(202);
    site.noteAccepted(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, body);
    expect(await api.ended(WITHIN_MS)).toEqual({ code: 0, signal: null });
    expect(await site.problems()).toEqual([]);
  });
});
