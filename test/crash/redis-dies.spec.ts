import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';

describe('while Redis', () => {
  let site: Site;
  let client: ImportClient;
  let worker: ServiceProcess;

  beforeAll(async () => {
    site = await Site.open();
    const api = site.start('api');
    worker = site.start('worker');
    client = await site.client(api);
    await worker.ready();
  });
  afterAll(() => site.close());

  const untilSomeDone = async (more: number) => {
    const before = await site.observer.done();
    await eventually(async () => (await site.observer.done()) > before + more, `${more} records to be done`);
  };

  /** Break it: leave `requeueLost` out of `Reconciler.reconcile`. */
  it('is wiped (FLUSHALL) repeatedly, a batch completes and nothing happens twice', async () => {
    await site.send(client, 10_000);
    for (let wipe = 1; wipe <= 3; wipe += 1) {
      await untilSomeDone(500);
      await site.redis.flushAll();
    }
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: leave `requeueLost` out of `Reconciler.reconcile`. */
  it('is shut down in the middle and comes back empty, a batch completes', async () => {
    await site.send(client, 10_000);
    await untilSomeDone(500);
    await site.redis.flushAll();
    await site.redis.down();
    expect((await worker.readiness()).status).toBe(503);
    await site.redis.up();
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: in `ImportQueueService.start`, await the scheduler, and let `ChunkQueue.add` wait for Redis. */
  it('is down, CreateBatch still answers 202, and the batch runs once Redis is back', async () => {
    await site.redis.down();
    const { id } = await site.send(client, 1_000);
    expect(await client.batch(id)).toMatchObject({ status: 'queued', recordCounts: { pending: 990 } });

    await site.redis.up();
    expect(await site.problems()).toEqual([]);
    expect(worker.alive).toBe(true);
  });
  /**
   * Nothing is evicted (noeviction); every write is refused instead. Break it: in `RedisCheck.writable`,
   * ask by PING, which a full Redis answers.
   */
  it('is full (maxmemory), CreateBatch answers 202, readiness reports it, and the batch completes once Redis has room', async () => {
    await site.send(client, 6_000);
    await untilSomeDone(500);
    await site.redis.configure('maxmemory', '1');
    const { id } = await site.send(client, 1_000);
    await eventually(async () => (await worker.readiness()).status === 503, 'readiness to be false');
    expect((await client.batch(id)).recordCounts.total).toBe(1_000);

    await site.redis.configure('maxmemory', '0');
    expect(await site.problems()).toEqual([]);
    expect(worker.alive).toBe(true);
  });
});
