import { jobIdOf, selectStaleChunks } from '../../src/batches/chunks.sql.js';
import { tryLock } from '../../src/platform/database/advisory-locks.js';
import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('the reconciler', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({ CHUNK_WINDOW: '2', RECONCILE_INTERVAL_MS: '1000' });
  });
  beforeEach(() => fixture.worker.queue.empty());
  afterAll(() => fixture.stop());

  const waiting = async (batchId: number) =>
    (await fixture.worker.queue.getJobs(['waiting', 'delayed']))
      .filter(({ data }) => data.batchId === batchId)
      .map(({ data }) => data.chunkNumber)
      .sort();
  const age = (batchId: number) =>
    fixture.sql.query(
      `UPDATE import_queue_chunk SET queued_at = queued_at - interval '1 minute' WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );

  it('queues the chunks of a batch that were never queued', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(3, 1) });
    await expect(fixture.worker.reconciler.reconcile()).resolves.toBe(true);
    expect(await fixture.chunkStates(batchId)).toEqual(['queued', 'queued', 'pending']);
    expect(await waiting(batchId)).toEqual([1, 2]);
  });

  it('adds jobs that Redis lost, even where a finished job of the chunk is still kept', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(2, 1) });
    await fixture.worker.scheduler.advance(batchId);
    await fixture.worker.queue.empty();
    await age(batchId);
    const [stale] = await selectStaleChunks(fixture.sql, 1000);
    await fixture.worker.queue.add(stale!, { jobId: jobIdOf(stale!) });
    const left = await fixture.worker.queue.getNextJob();
    await left!.moveToFailed({ message: 'left over' });

    await fixture.worker.reconciler.reconcile();
    expect(await waiting(batchId)).toEqual([1, 2]);
  });

  it('adds nothing for chunks that wait, were queued just now, or are being processed', async () => {
    const fresh = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    await fixture.worker.scheduler.advance(fresh);
    await fixture.worker.queue.empty();
    await fixture.worker.reconciler.reconcile();
    expect(await waiting(fresh)).toEqual([]);

    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    const { scheduler, runner, reconciler, target } = fixture.worker;
    await scheduler.advance(batchId);
    await reconciler.reconcile();
    expect(await waiting(batchId)).toEqual([1]);

    await fixture.worker.queue.empty();
    await age(batchId);
    target.during = async () => {
      await reconciler.reconcile();
    };
    await runner.run({ batchId, chunkNumber: 1 });
    target.during = async () => undefined;
    expect(await waiting(batchId)).toEqual([]);
  });

  it('adds a job for a chunk whose retry a wrong clock postponed until tomorrow', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    await fixture.worker.scheduler.advance(batchId);
    await fixture.worker.queue.empty();
    const putOff = async () => {
      const [stale] = (await selectStaleChunks(fixture.sql, 0)).filter((chunk) => chunk.batchId === batchId);
      await fixture.worker.queue.add(stale!, { jobId: jobIdOf(stale!), delay: 86_400_000 });
    };
    await age(batchId);
    await putOff();
    await fixture.worker.reconciler.reconcile();
    expect(await waiting(batchId)).toEqual([1]);

    await fixture.worker.queue.empty();
    for (let minute = 1; minute <= 3; minute += 1) await age(batchId);
    await putOff();
    await fixture.worker.reconciler.reconcile();
    expect(await waiting(batchId)).toEqual([1, 1]);
  });

  it('ends a batch whose worker died between its last chunk and its end', async () => {
    const batchId = await fixture.storeBatch({
      chunks: chunksOf(1, 1),
      sendSuccessEmailTo: 'glad@example.org',
    });
    await fixture.sql.query(
      `UPDATE import_queue_chunk SET state = 'done', succeeded_count = 1, done_at = now()
        WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    await fixture.worker.reconciler.reconcile();
    expect(await fixture.status(batchId)).toBe('completed');
    expect(await fixture.notifications(batchId)).toHaveLength(1);
  });

  it('leaves paused and blocked chunks where they are', async () => {
    const paused = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    await fixture.setStatus(paused, 'paused');
    const blocked = await fixture.storeBatch({ chunks: chunksOf(2, 1) });
    await fixture.sql.query(
      `UPDATE import_queue_chunk SET state = CASE chunk_number WHEN 1 THEN 'queued' ELSE 'pending' END,
              queued_at = clock_timestamp(), blocked_by = CASE chunk_number WHEN 2 THEN 1 END
        WHERE workflow_import_queue_batch_id = $1`,
      [blocked],
    );
    await fixture.worker.reconciler.reconcile();
    expect(await fixture.chunkStates(paused)).toEqual(['pending']);
    expect(await fixture.chunkStates(blocked)).toEqual(['queued', 'pending']);
  });

  it('works in one worker at a time', async () => {
    const passes = await fixture.sql.transaction(async (transaction) => {
      expect(await tryLock(transaction, 'reconciler')).toBe(true);
      return Promise.all(range(1, 3).map(() => fixture.worker.reconciler.reconcile()));
    });
    expect(passes).toEqual([false, false, false]);
  });
});
