import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('a worker that is stopped', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({
      CHUNK_WINDOW: '4',
      WORKER_CONCURRENCY: '1',
      RECONCILE_INTERVAL_MS: '300',
    });
  });
  afterAll(() => fixture.stop());

  it('finishes the running chunk and starts no other', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(5, 1) });
    const worker = await fixture.addWorker();
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    worker.target.during = () => released;
    await worker.module.init();
    await eventually(() => worker.target.begun.length === 1, 'the first chunk to begin');

    const closed = worker.module.close();
    release();
    await closed;
    expect(worker.target.begun).toHaveLength(1);
    expect(await fixture.effects(batchId)).toEqual([1]);

    const next = await fixture.addWorker();
    await next.module.init();
    await eventually(
      async () => (await fixture.status(batchId)) === 'completed',
      'another worker to continue',
      30_000,
    );
    expect((await fixture.effects(batchId)).sort()).toEqual(range(1, 5));
    await next.module.close();
  });

  it('hands a chunk that does not end back to the others', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    const { runner, scheduler, target } = fixture.worker;
    await scheduler.advance(batchId);
    target.during = async ({ transaction }) => {
      await transaction.query('SELECT pg_sleep(60)');
    };
    const run = runner.run({ batchId, chunkNumber: 1 });
    await eventually(() => target.begun.includes(`${batchId}/1`), 'the chunk to begin');
    await Promise.all([expect(run).rejects.toThrow(), runner.abandonAll()]);
    expect(await fixture.chunks(batchId)).toMatchObject([{ state: 'queued', attempts: 0 }]);

    const { runner: another } = await fixture.addWorker();
    await expect(another.run({ batchId, chunkNumber: 1 })).resolves.toBe('done');
  });
});
