import { DatabaseService } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('the window of a batch', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({ CHUNK_WINDOW: '3', WORKER_CONCURRENCY: '1' });
  });
  afterAll(() => fixture.stop());

  it('holds the lowest chunks, up to its size', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(5, 1) });
    await fixture.worker.scheduler.advance(batchId);
    expect(await fixture.chunkStates(batchId)).toEqual(['queued', 'queued', 'queued', 'pending', 'pending']);
    await fixture.worker.runner.run({ batchId, chunkNumber: 2 });
    expect(await fixture.chunkStates(batchId)).toEqual(['queued', 'done', 'queued', 'queued', 'pending']);
  });

  it('is not exceeded by twenty simultaneous fills', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(30, 1) });
    await Promise.all(range(1, 20).map(() => fixture.worker.scheduler.advance(batchId)));
    expect((await fixture.chunkStates(batchId)).filter((state) => state === 'queued')).toHaveLength(3);
    const jobs = await fixture.worker.queue.getJobs(['waiting']);
    expect(jobs.filter(({ data }) => data.batchId === batchId)).toHaveLength(3);
  });

  it('is not exceeded by simultaneous fills and finished chunks, and every chunk gets its turn', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(40, 1) });
    const { scheduler, runner } = fixture.worker;
    let most = 0;
    await scheduler.advance(batchId);
    for (;;) {
      const chunks = await fixture.chunks(batchId);
      const queued = chunks.filter(({ state }) => state === 'queued');
      if (queued.length === 0) break;
      most = Math.max(most, queued.length);
      await Promise.all([
        ...queued.map(({ chunk_number }) => runner.run({ batchId, chunkNumber: chunk_number as number })),
        scheduler.advance(batchId),
        scheduler.advance(batchId),
      ]);
    }
    expect(most).toBe(3);
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('is one chunk for an ordered import process', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(3, 1), ordered: true });
    await fixture.worker.scheduler.advance(batchId);
    expect(await fixture.chunkStates(batchId)).toEqual(['queued', 'pending', 'pending']);
    await fixture.worker.runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.chunkStates(batchId)).toEqual(['done', 'queued', 'pending']);
  });

  it('is four times as large for a high priority, and one chunk for a low one beside others', async () => {
    const sql = fixture.worker.module.get(DatabaseService);
    const control = (batchId: number, priority: string) =>
      sql.query(
        'INSERT INTO import_queue_batch_control (workflow_import_queue_batch_id, priority) VALUES ($1, $2)',
        [batchId, priority],
      );
    const queued = async (batchId: number) => {
      await fixture.worker.scheduler.advance(batchId);
      return (await fixture.chunkStates(batchId)).filter((state) => state === 'queued').length;
    };
    await sql.query(`UPDATE import_queue_batch SET status = 'canceled' WHERE status <> 'completed'`);
    const low = await fixture.storeBatch({ chunks: chunksOf(20, 1) });
    await control(low, 'low');
    const normal = await fixture.storeBatch({ chunks: chunksOf(20, 1) });
    const high = await fixture.storeBatch({ chunks: chunksOf(20, 1) });
    await control(high, 'high');
    expect([await queued(high), await queued(normal), await queued(low)]).toEqual([12, 3, 1]);
    await fixture.setStatus(normal, 'canceled');
    expect(await queued(low)).toBe(1);
    await fixture.setStatus(high, 'canceled');
    expect(await queued(low)).toBe(3);
  });

  it('lets batches take turns: a small one does not wait for the end of a large one', async () => {
    await fixture.worker.queue.empty();
    const large = await fixture.storeBatch({ chunks: chunksOf(30, 1) });
    const small = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    await fixture.worker.scheduler.advance(large);
    await fixture.worker.scheduler.advance(small);

    const { module, target } = await fixture.addWorker();
    await module.init();
    await eventually(
      async () => (await fixture.status(large)) === 'completed',
      'the large batch to complete',
    );
    // Only the one that runs goes before it, although three of the large one were queued before.
    expect(target.begun.indexOf(`${small}/1`)).toBe(1);
    expect(target.begun).toHaveLength(31);
  });
});
