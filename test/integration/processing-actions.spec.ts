import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingFixture, range, type Worker } from '../support/processing-fixture.js';

describe('a batch that is canceled or paused', () => {
  let fixture: ProcessingFixture;
  let consumer: Worker;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({ CHUNK_WINDOW: '2', WORKER_CONCURRENCY: '2' });
    consumer = await fixture.addWorker();
  });
  afterAll(() => fixture.stop());

  it('while canceling keeps what was processed and cancels every other record', async () => {
    const batchId = await fixture.storeBatch({
      chunks: chunksOf(3, 2),
      sendFailureEmailTo: 'sorry@example.org',
    });
    const { runner, scheduler } = fixture.worker;
    await scheduler.advance(batchId);
    await runner.run({ batchId, chunkNumber: 1 });
    await fixture.setStatus(batchId, 'canceling');
    await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('done');
    await expect(runner.run({ batchId, chunkNumber: 3 })).resolves.toBe('done');

    const statuses = (await fixture.records(batchId)).map(({ status }) => status);
    expect(statuses).toEqual(['succeeded', 'succeeded', ...new Array<string>(4).fill('canceled')]);
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'canceled',
      succeeded_count: 2,
      canceled_count: 4,
    });
    expect(await fixture.effects(batchId)).toEqual([1, 2]);
    expect(await fixture.notifications(batchId)).toEqual([]);
  });

  it('while paused starts nothing, and continues where it stopped', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(3, 1) });
    const { runner, scheduler } = fixture.worker;
    await scheduler.advance(batchId);
    await runner.run({ batchId, chunkNumber: 1 });
    await fixture.setStatus(batchId, 'paused');
    await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');
    await scheduler.advance(batchId);
    expect(await fixture.chunkStates(batchId)).toEqual(['done', 'pending', 'queued']);

    await fixture.setStatus(batchId, 'in_progress');
    await scheduler.advance(batchId);
    expect(await fixture.chunkStates(batchId)).toEqual(['done', 'queued', 'queued']);
    await runner.run({ batchId, chunkNumber: 2 });
    await runner.run({ batchId, chunkNumber: 3 });
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('during the last chunk ends with it if it was only paused', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    const { runner, scheduler, target } = fixture.worker;
    await scheduler.advance(batchId);
    target.during = () => fixture.setStatus(batchId, 'paused');
    await expect(runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('done');
    target.during = async () => undefined;
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('accounts for every record at any moment, with a live consumer', async () => {
    await consumer.module.init();
    const batchId = await fixture.storeBatch({ chunks: chunksOf(40, 5) });
    await fixture.worker.scheduler.advance(batchId);
    for (const status of ['paused', 'in_progress', 'paused', 'in_progress', 'canceling']) {
      await eventually(async () => (await fixture.effects(batchId)).length > 0, 'a first effect');
      await fixture.sql.query(
        `UPDATE import_queue_batch SET status = $2
          WHERE workflow_import_queue_batch_id = $1 AND status IN ('queued', 'in_progress', 'paused')`,
        [batchId, status],
      );
      await fixture.worker.scheduler.advance(batchId);
      const { rows } = await fixture.sql.query<{ counted: number; stored: number }>(
        `SELECT (SELECT sum(succeeded_count + canceled_count)::integer FROM import_queue_chunk
                  WHERE workflow_import_queue_batch_id = $1) AS counted,
                (SELECT count(*) FROM import_queue_record
                  WHERE workflow_import_queue_batch_id = $1 AND status <> 'pending') AS stored`,
        [batchId],
      );
      expect(rows[0]!.counted).toBe(rows[0]!.stored);
    }
    await eventually(async () => (await fixture.batch(batchId)).finished_at, 'the batch to end');
    const batch = await fixture.batch(batchId);
    expect((batch.succeeded_count as number) + (batch.canceled_count as number)).toBe(200);
    const effects = await fixture.effects(batchId);
    expect(new Set(effects).size).toBe(effects.length);
    expect(effects.every((line) => range(1, 200).includes(line))).toBe(true);
    expect(effects).toHaveLength(batch.succeeded_count as number);
  });
});
