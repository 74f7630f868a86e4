import { orderingHash } from '../../src/records/rows.js';
import { chunksOf, ProcessingFixture } from '../support/processing-fixture.js';

describe('records of one batch that concern the same thing', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start({ CHUNK_WINDOW: '8' });
  });
  afterAll(() => fixture.stop());

  it('are processed in line order, even if their chunks are taken in another order', async () => {
    const batchId = await fixture.storeBatch({
      chunks: [
        { payloads: ['{}', '{}'], orderingKeys: [7n, 2n ** 63n + 1n] },
        { payloads: ['{}'], orderingKeys: [1n] },
        { payloads: ['{}'], orderingKeys: [2n ** 63n + 1n] },
      ],
    });
    const { runner, scheduler } = fixture.worker;
    await scheduler.advance(batchId);

    await expect(runner.run({ batchId, chunkNumber: 3 })).resolves.toBe('handed-back');
    expect((await fixture.chunks(batchId))[2]).toMatchObject({ state: 'pending', blocked_by: 1 });
    await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('done');
    expect(await fixture.chunkStates(batchId)).toEqual(['queued', 'done', 'pending']);

    await runner.run({ batchId, chunkNumber: 1 });
    expect((await fixture.chunks(batchId))[2]).toMatchObject({ state: 'queued', blocked_by: null });
    await runner.run({ batchId, chunkNumber: 3 });
    expect(await fixture.effects(batchId)).toEqual([3, 1, 2, 4]);
    expect(await fixture.status(batchId)).toBe('completed');
  });

  it('wait for a chunk that is being processed at that moment', async () => {
    const batchId = await fixture.storeBatch({
      chunks: chunksOf(2, 1).map((chunk) => ({ ...chunk, orderingKeys: [5n] })),
    });
    const { runner, scheduler, target } = fixture.worker;
    await scheduler.advance(batchId);
    target.during = async ({ chunkNumber }) => {
      if (chunkNumber !== 1) return;
      await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');
    };
    await runner.run({ batchId, chunkNumber: 1 });
    target.during = async () => undefined;
    expect(await fixture.chunkStates(batchId)).toEqual(['done', 'queued']);
  });

  describe('as turns out only during processing', () => {
    const toldLate = async (...earlier: string[][]): Promise<number> => {
      const batchId = await fixture.storeBatch({
        chunks: [
          ...earlier.map((keys) => ({ payloads: ['{}'], orderingKeys: keys.map(orderingHash) })),
          { payloads: ['{}'], orderingKeys: [orderingHash('own')] },
        ],
      });
      const { scheduler, target } = fixture.worker;
      target.during = async ({ chunkNumber, keepOrder }) => {
        if (chunkNumber === earlier.length + 1) keepOrder(['nobody', 'late']);
      };
      await scheduler.advance(batchId);
      return batchId;
    };
    afterEach(() => (fixture.worker.target.during = async () => undefined));

    it('wait for the nearest chunk about the same thing, and leave nothing behind', async () => {
      const { runner } = fixture.worker;
      const batchId = await toldLate(['late'], ['late'], ['other']);
      await expect(runner.run({ batchId, chunkNumber: 4 })).resolves.toBe('handed-back');
      expect((await fixture.chunks(batchId))[3]).toMatchObject({
        state: 'pending',
        blocked_by: 2,
        attempts: 0,
        last_error: null,
      });
      expect(await fixture.effects(batchId)).toEqual([]);

      for (const chunkNumber of [1, 2, 4, 3]) {
        await expect(runner.run({ batchId, chunkNumber })).resolves.toBe('done');
      }
      expect(await fixture.effects(batchId)).toEqual([1, 2, 4, 3]);
      expect(await fixture.status(batchId)).toBe('completed');
    });

    it('do not wait if no earlier chunk is about it', async () => {
      const batchId = await toldLate(['other']);
      await expect(fixture.worker.runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('done');
    });

    it('also wait while records are tried one by one', async () => {
      const { runner } = fixture.worker;
      const batchId = await toldLate(['late']);
      await fixture.sql.query(
        `UPDATE import_queue_chunk SET attempts = 5 WHERE workflow_import_queue_batch_id = $1 AND chunk_number = 2`,
        [batchId],
      );
      await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');
      expect((await fixture.chunks(batchId))[1]).toMatchObject({
        state: 'pending',
        blocked_by: 1,
        attempts: 5,
      });
      await runner.run({ batchId, chunkNumber: 1 });
      await expect(runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('done');
      expect(await fixture.effects(batchId)).toEqual([1, 2]);
    });
  });

  it('of an ordered import process wait whatever they concern', async () => {
    const batchId = await fixture.storeBatch({ chunks: chunksOf(2, 1), ordered: true });
    await fixture.sql.query(
      `UPDATE import_queue_chunk SET state = 'queued', queued_at = now() WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');
    await fixture.worker.runner.run({ batchId, chunkNumber: 1 });
    await fixture.worker.runner.run({ batchId, chunkNumber: 2 });
    expect(await fixture.effects(batchId)).toEqual([1, 2]);
  });
});
