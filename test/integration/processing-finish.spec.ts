import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingBench, range } from '../support/processing-bench.js';

describe('the end of a batch', () => {
  let bench: ProcessingBench;
  const mail = { sendSuccessEmailTo: 'glad@example.org', sendFailureEmailTo: 'sorry@example.org' };

  beforeAll(async () => {
    bench = await ProcessingBench.start({ WORKER_CONCURRENCY: '4' });
  });
  afterAll(() => bench.stop());

  it('is written once, with one mail, whoever asks for it at the same time', async () => {
    const batchId = await bench.storeBatch({ chunks: chunksOf(1, 3), ...mail });
    await bench.sql.query(
      `UPDATE import_queue_chunk SET state = 'done', succeeded_count = 3, updated_count = 3, done_at = now()
        WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    const answers = await Promise.all(range(1, 8).map(() => bench.worker.finisher.finishIfDone(batchId)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await bench.batch(batchId)).toMatchObject({
      status: 'completed',
      succeeded_count: 3,
      updated_count: 3,
    });
    expect(await bench.notifications(batchId)).toEqual([{ kind: 'success', recipient: 'glad@example.org' }]);
  });

  it('is not written while a chunk is open', async () => {
    const batchId = await bench.storeBatch({ chunks: chunksOf(2, 1), ...mail });
    await bench.worker.scheduler.fill(batchId);
    await bench.worker.runner.run({ batchId, chunkNumber: 1 });
    await expect(bench.worker.finisher.finishIfDone(batchId)).resolves.toBe(false);
    expect(await bench.status(batchId)).toBe('in_progress');
    expect(await bench.notifications(batchId)).toEqual([]);
  });

  it('comes at once for a batch whose records are all invalid', async () => {
    const batchId = await bench.storeBatch({ chunks: chunksOf(1, 2), ...mail });
    await bench.sql.query(
      `WITH chunk AS (UPDATE import_queue_chunk SET state = 'done', invalid_count = 2
                       WHERE workflow_import_queue_batch_id = $1)
       UPDATE import_queue_batch SET invalid_count = 2 WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    await expect(bench.worker.finisher.finishIfDone(batchId)).resolves.toBe(true);
    expect(await bench.status(batchId)).toBe('completed_with_errors');
    expect(await bench.notifications(batchId)).toEqual([{ kind: 'failure', recipient: 'sorry@example.org' }]);
  });

  it('is reached once by each of a hundred small batches and one of many chunks, on two workers', async () => {
    const ids: number[] = [await bench.storeBatch({ chunks: chunksOf(60, 2), ...mail })];
    while (ids.length < 101) ids.push(await bench.storeBatch({ chunks: chunksOf(1, 1), ...mail }));
    const workers = [bench.worker, await bench.addWorker()];
    await Promise.all(workers.map(({ module }) => module.init()));
    await Promise.all(ids.map((id) => bench.worker.scheduler.fill(id)));

    const counted = async () => {
      const { rows } = await bench.sql.query<{ ended: number; mails: number; effects: number }>(
        `SELECT (SELECT count(*) FROM import_queue_batch
                  WHERE workflow_import_queue_batch_id = ANY($1) AND status = 'completed') AS ended,
                (SELECT count(*) FROM notification
                  WHERE workflow_import_queue_batch_id = ANY($1) AND kind = 'success') AS mails,
                (SELECT count(*) FROM effect WHERE batch_id = ANY($1)) AS effects`,
        [ids],
      );
      return rows[0]!;
    };
    await eventually(async () => (await counted()).ended === 101, 'all batches to complete');
    expect(await counted()).toEqual({ ended: 101, mails: 101, effects: 220 });
  });
});
