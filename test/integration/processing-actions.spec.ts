import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingBench, range, type Worker } from '../support/processing-bench.js';

describe('a batch that is canceled or paused', () => {
  let bench: ProcessingBench;
  let consumer: Worker;

  beforeAll(async () => {
    bench = await ProcessingBench.start({ CHUNK_WINDOW: '2', WORKER_CONCURRENCY: '2' });
    consumer = await bench.addWorker();
  });
  afterAll(() => bench.stop());

  it('while canceling keeps what was done and marks every other record', async () => {
    const batchId = await bench.storeBatch({
      chunks: chunksOf(3, 2),
      sendFailureEmailTo: 'sorry@example.org',
    });
    const { runner, scheduler } = bench.worker;
    await scheduler.fill(batchId);
    await runner.run({ batchId, chunkNumber: 1 });
    await bench.setStatus(batchId, 'canceling');
    await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('done');
    await expect(runner.run({ batchId, chunkNumber: 3 })).resolves.toBe('done');

    const statuses = (await bench.records(batchId)).map(({ status }) => status);
    expect(statuses).toEqual(['succeeded', 'succeeded', ...new Array<string>(4).fill('canceled')]);
    expect(await bench.batch(batchId)).toMatchObject({
      status: 'canceled',
      succeeded_count: 2,
      canceled_count: 4,
    });
    expect(await bench.effects(batchId)).toEqual([1, 2]);
    expect(await bench.notifications(batchId)).toEqual([]);
  });

  it('while paused begins nothing, and goes on where it was', async () => {
    const batchId = await bench.storeBatch({ chunks: chunksOf(3, 1) });
    const { runner, scheduler } = bench.worker;
    await scheduler.fill(batchId);
    await runner.run({ batchId, chunkNumber: 1 });
    await bench.setStatus(batchId, 'paused');
    await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');
    await scheduler.fill(batchId);
    expect(await bench.chunkStates(batchId)).toEqual(['done', 'pending', 'queued']);

    await bench.setStatus(batchId, 'in_progress');
    await scheduler.fill(batchId);
    expect(await bench.chunkStates(batchId)).toEqual(['done', 'queued', 'queued']);
    await runner.run({ batchId, chunkNumber: 2 });
    await runner.run({ batchId, chunkNumber: 3 });
    expect(await bench.status(batchId)).toBe('completed');
  });

  it('during the last chunk ends with it when it was only paused', async () => {
    const batchId = await bench.storeBatch({ chunks: chunksOf(1, 1) });
    const { runner, scheduler, target } = bench.worker;
    await scheduler.fill(batchId);
    target.during = () => bench.setStatus(batchId, 'paused');
    await expect(runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('done');
    target.during = async () => undefined;
    expect(await bench.status(batchId)).toBe('completed');
  });

  it('has no record unaccounted for at any moment, under a live consumer', async () => {
    await consumer.module.init();
    const batchId = await bench.storeBatch({ chunks: chunksOf(40, 5) });
    await bench.worker.scheduler.fill(batchId);
    for (const status of ['paused', 'in_progress', 'paused', 'in_progress', 'canceling']) {
      await eventually(async () => (await bench.effects(batchId)).length > 0, 'a first effect');
      await bench.sql.query(
        `UPDATE import_queue_batch SET status = $2
          WHERE workflow_import_queue_batch_id = $1 AND status IN ('queued', 'in_progress', 'paused')`,
        [batchId, status],
      );
      await bench.worker.scheduler.fill(batchId);
      const { rows } = await bench.sql.query<{ counted: number; stored: number }>(
        `SELECT (SELECT sum(succeeded_count + canceled_count)::integer FROM import_queue_chunk
                  WHERE workflow_import_queue_batch_id = $1) AS counted,
                (SELECT count(*) FROM import_queue_record
                  WHERE workflow_import_queue_batch_id = $1 AND status <> 'pending') AS stored`,
        [batchId],
      );
      expect(rows[0]!.counted).toBe(rows[0]!.stored);
    }
    await eventually(async () => (await bench.batch(batchId)).finished_at, 'the batch to end');
    const batch = await bench.batch(batchId);
    expect((batch.succeeded_count as number) + (batch.canceled_count as number)).toBe(200);
    const effects = await bench.effects(batchId);
    expect(new Set(effects).size).toBe(effects.length);
    expect(effects.every((line) => range(1, 200).includes(line))).toBe(true);
    expect(effects).toHaveLength(batch.succeeded_count as number);
  });
});
