import { CostMeter } from '../support/cost-meter.js';
import { jsonl, member } from '../support/import-client.js';

const RECORDS = 1_000;

describe('what 1,000 records cost PostgreSQL', () => {
  let meter: CostMeter;
  let importProcessId: number;

  beforeAll(async () => {
    meter = await CostMeter.start();
    importProcessId = await meter.client.setUp();
    // The first batch also causes what is done once.
    await meter.costOf(rowsFrom(1_000_000), importProcessId);
  }, 120_000);
  afterAll(() => meter?.close());

  const rowsFrom = (first: number) => jsonl(Array.from({ length: RECORDS }, (_, n) => member(first + n)));

  /**
   * Break it: in `PgTransaction`, wait for `begun` before the first statement; in `BatchMaker.save`, queue no chunk; in
   * `BatchStart`, set `withEnd` to false; in `writeOutcomes`, insert each outcome by itself; in `logToInsert`, write the
   * values of creations.
   */
  it('is bounded for records that are created', async () => {
    const { roundTrips, wal, inserted, updated } = await meter.costOf(rowsFrom(1), importProcessId);
    // One of them shows the start of a chunk that takes long.
    expect(roundTrips).toBeLessThanOrEqual(14);
    // The line and its outcome, the instance, two identifiers and a log entry; the batch and its chunk, and the
    // statistics of the chunk and of the end of the batch.
    expect(inserted).toBeLessThanOrEqual(6 * RECORDS + 4);
    // The worker shows every 5 s that it lives.
    expect(updated).toBeLessThanOrEqual(7);
    expect(wal).toBeLessThanOrEqual(1_250 * RECORDS);
  });

  /** Break it: in `LookUp.unchanged`, answer no row, so that the instances are locked. */
  it('is bounded for records that change nothing', async () => {
    const { roundTrips, wal, inserted, updated } = await meter.costOf(rowsFrom(1), importProcessId);
    expect(roundTrips).toBeLessThanOrEqual(13);
    expect(inserted).toBeLessThanOrEqual(2 * RECORDS + 4);
    expect(updated).toBeLessThanOrEqual(7);
    expect(wal).toBeLessThanOrEqual(370 * RECORDS);
  });
});
