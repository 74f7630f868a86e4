import { eventually } from '../support/eventually.js';
import { PrivateRedis } from '../support/private-redis.js';
import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('when Redis fails', () => {
  let redis: PrivateRedis;
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    fixture = await ProcessingFixture.start({
      REDIS_URL: redis.url,
      RECONCILE_INTERVAL_MS: '300',
      CHUNK_WINDOW: '4',
      WORKER_CONCURRENCY: '2',
    });
  });
  afterAll(async () => {
    await fixture.stop();
    await redis.stop();
  });

  it('a fill does not hang, and the chunks are processed once it is back', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(6, 2) });
    await redis.down();
    await fixture.worker.scheduler.advance(batchId);
    await fixture.worker.scheduler.advance(batchId);
    expect((await fixture.chunkStates(batchId)).filter((state) => state === 'queued')).toHaveLength(4);

    const worker = await fixture.addWorker();
    await worker.module.init();
    await redis.up();
    await eventually(
      async () => (await fixture.status(batchId)) === 'completed',
      'the batch to complete',
      40_000,
    );
    expect((await fixture.effects(batchId)).sort((a, b) => a - b)).toEqual(range(1, 12));
  });

  it('by not answering, a fill does not hang either', async () => {
    const ids = await Promise.all(range(1, 5).map(() => fixture.storeBatch({ chunks: chunksOf(2, 1) })));
    const thaw = await redis.freeze();
    for (const id of ids) await fixture.worker.scheduler.advance(id);
    thaw();
    for (const id of ids) {
      await eventually(async () => (await fixture.status(id)) === 'completed', 'the batch to complete');
      expect(await fixture.effects(id)).toHaveLength(2);
    }
  });

  it('and loses everything in the middle, a batch completes without loss or duplicates', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(60, 5) });
    await fixture.worker.scheduler.advance(batchId);
    for (const done of [10, 120]) {
      await eventually(async () => (await fixture.effects(batchId)).length >= done, `${done} effects`);
      await redis.flushAll();
    }
    await eventually(
      async () => (await fixture.status(batchId)) === 'completed',
      'the batch to complete',
      50_000,
    );
    expect((await fixture.effects(batchId)).sort((a, b) => a - b)).toEqual(range(1, 300));
    expect(await fixture.batch(batchId)).toMatchObject({ succeeded_count: 300 });
  });
});
