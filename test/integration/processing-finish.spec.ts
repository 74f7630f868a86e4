import { eventually } from '../support/eventually.js';
import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('the end of a batch', () => {
  let fixture: ProcessingFixture;
  const mail = { sendSuccessEmailTo: 'glad@example.org', sendFailureEmailTo: 'sorry@example.org' };

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({ WORKER_CONCURRENCY: '4' });
  });
  afterAll(() => fixture.stop());

  it('is written once, with one mail, even if several ask for it at the same time', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 3), ...mail });
    await fixture.sql.query(
      `UPDATE import_queue_chunk SET state = 'done', succeeded_count = 3, updated_count = 3, done_at = now()
        WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    const answers = await Promise.all(range(1, 8).map(() => fixture.worker.finisher.finishIfDone(batchId)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'completed',
      succeeded_count: 3,
      updated_count: 3,
    });
    expect(await fixture.notifications(batchId)).toEqual([
      { kind: 'success', recipient: 'glad@example.org' },
    ]);
  });

  it('is not written while a chunk is open', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(2, 1), ...mail });
    await fixture.worker.scheduler.advance(batchId);
    await fixture.worker.runner.run({ batchId, chunkNumber: 1 });
    await expect(fixture.worker.finisher.finishIfDone(batchId)).resolves.toBe(false);
    expect(await fixture.status(batchId)).toBe('in_progress');
    expect(await fixture.notifications(batchId)).toEqual([]);
  });

  it('comes immediately for a batch whose records are all invalid', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 2), ...mail });
    await fixture.sql.query(
      `WITH chunk AS (UPDATE import_queue_chunk SET state = 'done', invalid_count = 2
                       WHERE workflow_import_queue_batch_id = $1)
       UPDATE import_queue_batch SET invalid_count = 2 WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    await expect(fixture.worker.finisher.finishIfDone(batchId)).resolves.toBe(true);
    expect(await fixture.status(batchId)).toBe('completed_with_errors');
    expect(await fixture.notifications(batchId)).toEqual([
      { kind: 'failure', recipient: 'sorry@example.org' },
    ]);
  });

  /** Break it: in `BatchStart`, leave out the timer, or set `withEnd` to false. */
  it('is written with the only chunk, whose start is shown if it takes long', async () => {
    const [quick, slow] = [
      await fixture.storeBatch({ chunks: chunksOf(1, 1) }),
      await fixture.storeBatch({ chunks: chunksOf(1, 1) }),
    ];
    const { scheduler, runner, finisher } = fixture.worker;
    await scheduler.advance(quick);
    await scheduler.advance(slow);
    const announced = jest.spyOn(finisher, 'finishIfDone');
    await runner.run({ batchId: quick, chunkNumber: 1 });
    expect(announced).not.toHaveBeenCalled();
    announced.mockRestore();
    const { status, started_at: started, finished_at: finished } = await fixture.batch(quick);
    expect(status).toBe('completed');
    expect(Number(finished as Date)).toBeGreaterThanOrEqual(Number(started));

    await fixture.sql.transaction(async (lock) => {
      await lock.query('LOCK TABLE import_queue_outcome');
      const run = runner.run({ batchId: slow, chunkNumber: 1 });
      await eventually(async () => (await fixture.status(slow)) === 'in_progress', 'the start to be shown');
      run.catch(() => undefined);
    });
    await eventually(async () => (await fixture.status(slow)) === 'completed', 'the batch to complete');
  });

  it('is reached once by each of a hundred small batches and one large one, on two workers', async () => {
    const ids: number[] = [await fixture.storeBatch({ chunks: chunksOf(60, 2), ...mail })];
    while (ids.length < 101) ids.push(await fixture.storeBatch({ chunks: chunksOf(1, 1), ...mail }));
    const workers = [fixture.worker, await fixture.addWorker()];
    await Promise.all(workers.map(({ module }) => module.init()));
    await Promise.all(ids.map((id) => fixture.worker.scheduler.advance(id)));

    const counted = async () => {
      const { rows } = await fixture.sql.query<{ ended: number; mails: number; effects: number }>(
        `SELECT (SELECT count(*) FROM import_queue_batch
                  WHERE workflow_import_queue_batch_id = ANY($1) AND status = 'completed') AS ended,
                (SELECT count(*) FROM outbox
                  WHERE workflow_import_queue_batch_id = ANY($1) AND outcome = 'success') AS mails,
                (SELECT count(*) FROM effect WHERE batch_id = ANY($1)) AS effects`,
        [ids],
      );
      return rows[0]!;
    };
    await eventually(async () => (await counted()).ended === 101, 'all batches to complete');
    expect(await counted()).toEqual({ ended: 101, mails: 101, effects: 220 });
  });
});
