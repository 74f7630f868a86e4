import { chunksOf, ProcessingFixture, range } from '../support/processing-fixture.js';

describe('a chunk', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start();
  });
  afterAll(() => fixture.stop());

  const storeQueued = async (...payloads: string[]): Promise<number> => {
    const batchId = await fixture.storeBatch({ chunks: [{ payloads }] });
    await fixture.worker.scheduler.advance(batchId);
    return batchId;
  };

  it('leaves its effects, outcomes and counts, and ends its batch', async () => {
    const batchId = await storeQueued('{}', '{"do":"fail"}', '{"do":"skip"}');
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('done');

    expect(await fixture.records(batchId)).toMatchObject([
      { status: 'succeeded', operation: 'created', reference: '1', attempts: 1, error_code: null },
      {
        status: 'failed',
        operation: 'rejected',
        error_code: 'asked_to',
        error_message: 'it was asked to fail',
      },
      { status: 'skipped', operation: null, reference: null, attempts: 1 },
    ]);
    const counts = {
      succeeded_count: 1,
      failed_count: 1,
      skipped_count: 1,
      created_count: 1,
      updated_count: 0,
    };
    expect(await fixture.chunks(batchId)).toMatchObject([
      { state: 'done', done_at: expect.any(Date), ...counts },
    ]);
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'completed_with_errors',
      started_at: expect.any(Date),
      finished_at: expect.any(Date),
      canceled_count: 0,
      ...counts,
    });
  });

  it('that arrives twice, one after the other, is processed once', async () => {
    const batchId = await storeQueued('{}', '{}');
    await fixture.worker.runner.run({ batchId, chunkNumber: 1 });
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('not-mine');
    expect(await fixture.effects(batchId)).toEqual([1, 2]);
  });

  it('that eight workers take at once is processed once', async () => {
    const batchId = await storeQueued(...new Array<string>(50).fill('{}'));
    const runs = await Promise.all(
      range(1, 8).map(() => fixture.worker.runner.run({ batchId, chunkNumber: 1 })),
    );
    expect(runs.sort()).toEqual(['done', ...new Array<string>(7).fill('not-mine')]);
    expect(await fixture.effects(batchId)).toEqual(range(1, 50));
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('whose worker dies before the commit is processed once by the next', async () => {
    const batchId = await storeQueued('{}', '{}');
    const { target, runner } = fixture.worker;
    target.during = ({ transaction }) =>
      transaction.query('SELECT pg_terminate_backend(pg_backend_pid())').then(() => undefined);
    await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    target.during = async () => undefined;

    expect(await fixture.records(batchId)).toMatchObject([{ status: 'pending' }, { status: 'pending' }]);
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.effects(batchId)).toEqual([1, 2]);
  });

  it('that is not queued, or does not exist, is left alone', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(1, 1) });
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('not-mine');
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 9 })).resolves.toBe('not-mine');
    await expect(fixture.worker.runner.run({ batchId: 999_999, chunkNumber: 1 })).resolves.toBe('not-mine');
    expect(await fixture.effects(batchId)).toEqual([]);
  });

  it('keeps an error message that PostgreSQL cannot store, with the characters replaced', async () => {
    const batchId = await storeQueued('{"do":"fail"}');
    const { target, runner } = fixture.worker;
    target.failureMessage = 'bad \u0000 value \ud800';
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.records(batchId)).toMatchObject([{ error_message: 'bad \\u0000 value \\ud800' }]);
  });
});
