import { ProcessingFixture, range } from '../support/processing-fixture.js';

describe('a fault while a chunk is processed', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start();
  });
  afterEach(() => {
    fixture.worker.target.during = async () => undefined;
  });
  afterAll(() => fixture.stop());

  const store = async (payloads: string[]): Promise<number> => {
    const batchId = await fixture.storeBatch({
      chunks: [{ payloads }],
      sendFailureEmailTo: 'sorry@example.org',
    });
    await fixture.worker.scheduler.advance(batchId);
    return batchId;
  };
  const runUntilDone = async (batchId: number): Promise<number> => {
    for (let faults = 0; ; faults += 1) {
      const run = await fixture.worker.runner.run({ batchId, chunkNumber: 1 }).catch(() => 'failed');
      if (run !== 'failed') return faults;
    }
  };

  it('rolls back all of it, and is recorded in the chunk', async () => {
    const batchId = await store(['{}', '{"do":"throw"}']);
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow(
      'line 2 breaks the target',
    );
    expect(await fixture.effects(batchId)).toEqual([]);
    expect(await fixture.chunks(batchId)).toMatchObject([
      { state: 'queued', attempts: 1, last_error: 'line 2 breaks the target', succeeded_count: 0 },
    ]);
  });

  it('that comes from single records fails only those, after five attempts of the whole chunk', async () => {
    const payloads = range(1, 100).map((line) => ([1, 42, 43, 100].includes(line) ? '{"do":"throw"}' : '{}'));
    const batchId = await store(payloads);
    expect(await runUntilDone(batchId)).toBe(5);

    const records = await fixture.records(batchId);
    const failed = records.filter(({ status }) => status === 'failed');
    expect(failed.map(({ line_number }) => line_number)).toEqual([1, 42, 43, 100]);
    expect(failed[1]).toMatchObject({
      error_code: 'processing_error',
      error_message: 'The record could not be processed: line 42 breaks the target',
      operation: 'rejected',
      attempts: 1,
    });
    expect(await fixture.effects(batchId)).toEqual(
      range(1, 100).filter((line) => ![1, 42, 43, 100].includes(line)),
    );
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'completed_with_errors',
      succeeded_count: 96,
      failed_count: 4,
    });
  });

  it('in the middle of that search loses nothing and repeats nothing', async () => {
    const batchId = await store(range(1, 20).map((line) => (line === 13 ? '{"do":"throw"}' : '{}')));
    const { runner, target } = fixture.worker;
    for (let fault = 0; fault < 5; fault += 1) {
      await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    }
    target.during = async ({ transaction }, records) => {
      if (records.some(({ line }) => line === 12) && records.length < 5) {
        await transaction.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }
    };
    await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    const [chunk] = await fixture.chunks(batchId);
    expect(chunk).toMatchObject({
      state: 'queued',
      succeeded_count: (await fixture.effects(batchId)).length,
    });
    expect(chunk!.succeeded_count).toBeGreaterThan(0);

    target.during = async () => undefined;
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.effects(batchId)).toEqual(range(1, 20).filter((line) => line !== 13));
    expect(await fixture.batch(batchId)).toMatchObject({ succeeded_count: 19, failed_count: 1 });
  });

  it('that is transient is never counted against the records', async () => {
    const batchId = await store(['{}']);
    const { runner, target } = fixture.worker;
    target.during = async () => {
      throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    };
    for (let fault = 0; fault < 7; fault += 1) {
      await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow('deadlock');
    }
    expect(await fixture.chunks(batchId)).toMatchObject([{ attempts: 0, last_error: 'deadlock detected' }]);
    target.during = async () => undefined;
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('such as a target that forgets a record is not treated as an outcome', async () => {
    const batchId = await store(['{}', '{}']);
    const { runner, target } = fixture.worker;
    const process = target.process.bind(target);
    target.process = async (records, context) => (await process(records, context)).slice(1);
    await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow('line 2');
    target.process = process;
    expect(await fixture.effects(batchId)).toEqual([]);
  });

  it('of the batch as a whole fails the batch without trying its records', async () => {
    const batchId = await fixture.storeBatch({
      chunks: [{ payloads: ['{}', '{}'] }],
      targetKind: 'no-such-target',
      sendFailureEmailTo: 'sorry@example.org',
    });
    await fixture.worker.scheduler.advance(batchId);
    expect(await runUntilDone(batchId)).toBe(5);
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'failed',
      failure_reason: expect.stringContaining('no-such-target'),
      canceled_count: 2,
    });
    expect(await fixture.records(batchId)).toMatchObject([{ status: 'canceled' }, { status: 'canceled' }]);
    expect(await fixture.notifications(batchId)).toEqual([
      { kind: 'failure', recipient: 'sorry@example.org' },
    ]);
  });
});
