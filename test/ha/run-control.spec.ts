import { Site } from '../crash/support/site.js';
import { eventually } from '../support/eventually.js';
import { type ImportClient, jsonl, member } from '../support/import-client.js';

jest.setTimeout(300_000);

const RECORDS = 100_000;
const GOOD = 5_000;
const CHUNK = 1_000;
const WINDOW = 8;
const ENDS_WITHIN_MS = 200_000;

const rows = (from: number, to: number) =>
  jsonl(Array.from({ length: to - from }, (_, index) => member(from + index)));

/** What test/e2e/run-control.spec.ts shows in small, on a file of 100,000 rows and with two workers. */
describe('a file of 100,000 rows', () => {
  let site: Site;
  let client: ImportClient;
  let creating: number;
  let existingOnly: number;

  beforeAll(async () => {
    site = await Site.open({ CHUNK_SIZE: String(CHUNK), CHUNK_WINDOW: String(WINDOW) });
    client = await site.client(site.start('api'));
    for (const worker of [site.start('worker'), site.start('worker')]) await worker.ready();
    creating = await client.setUp();
    existingOnly = await client.setUp(undefined, { onNoMatch: 'reject' });
    await client.ended(await send(rows(0, GOOD), { importProcessId: creating }), ENDS_WITHIN_MS);
  });
  afterAll(() => site.close());

  const send = async (body: string, query: Record<string, string | number>): Promise<number> => {
    const { status, body: answer } = await client.createBatch(body, query);
    expect(status).toBe(202);
    return answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const paused = (id: number) =>
    eventually(
      async () => {
        const batch = await client.batch(id);
        return batch.status === 'paused' && batch.recordCounts.processing === 0 ? batch : null;
      },
      'the batch to pause',
      ENDS_WITHIN_MS,
    );
  const cancel = async (id: number) => {
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Cancel`);
    return client.ended(id, ENDS_WITHIN_MS);
  };

  /** Break it: in `ChunkRunner`, do not look at the error budget after a chunk. */
  it('of which all after 5,000 fail stops within one window at its error budget', async () => {
    const id = await send(rows(0, RECORDS), { importProcessId: existingOnly, maxFailed: 100 });
    expect((await paused(id)).pauseReason).toBe('error_budget');
    // Chunks that were under way when the budget was exceeded still end.
    const { recordCounts } = await cancel(id);
    expect(recordCounts.failed).toBeGreaterThan(100);
    expect(recordCounts.failed).toBeLessThanOrEqual(WINDOW * CHUNK);
    expect(recordCounts.succeeded).toBeLessThanOrEqual(GOOD);
    expect(recordCounts.canceled).toBe(RECORDS - recordCounts.succeeded - recordCounts.failed);
    process.stdout.write(
      `error budget of 100: paused after ${recordCounts.succeeded} good and ${recordCounts.failed} failed records\n`,
    );
  });

  it('stops behind its canary', async () => {
    const id = await send(rows(RECORDS, 2 * RECORDS), { importProcessId: creating, canary: GOOD });
    expect(await paused(id)).toMatchObject({
      pauseReason: 'canary',
      recordCounts: { succeeded: GOOD, pending: RECORDS - GOOD },
    });
    expect((await cancel(id)).recordCounts).toMatchObject({ succeeded: GOOD, canceled: RECORDS - GOOD });
  });

  /** Break it: in `selectBatchesWithRoom`, ignore the priority. */
  it('of low priority lets one of high priority pass, and goes on meanwhile', async () => {
    const low = await send(rows(2 * RECORDS, 3 * RECORDS), { importProcessId: creating, priority: 'low' });
    await eventually(
      async () => (await client.batch(low)).recordCounts.succeeded > 0,
      'the first chunks to be done',
    );
    const high = await send(rows(3 * RECORDS, 3 * RECORDS + 20_000), {
      importProcessId: creating,
      priority: 'high',
    });
    expect((await client.ended(high, ENDS_WITHIN_MS)).recordCounts.succeeded).toBe(20_000);
    expect((await client.batch(low)).status).toBe('in_progress');
    const meanwhile = await site.observer.number(
      `SELECT count(*) FROM import_queue_chunk c, import_queue_batch high
        WHERE c.workflow_import_queue_batch_id = $1 AND high.workflow_import_queue_batch_id = $2
          AND c.done_at BETWEEN high.started_at AND high.finished_at`,
      [low, high],
    );
    expect(meanwhile).toBeGreaterThan(0);
    expect(meanwhile).toBeLessThanOrEqual(10);
    process.stdout.write(`priority: 20 chunks of the high one, ${meanwhile} of the low one meanwhile\n`);
    await cancel(low);
  });

  it('ends at its deadline with what was processed until then', async () => {
    const expiresAt = new Date(Date.now() + 30_000).toISOString();
    // The canary holds the rest back, however fast the machine is.
    const query = { importProcessId: creating, expiresAt, canary: GOOD };
    const id = await send(rows(4 * RECORDS, 5 * RECORDS), query);
    const { status, failureReason, recordCounts } = await client.ended(id, ENDS_WITHIN_MS);
    expect({ status, failureReason }).toEqual({ status: 'completed_with_errors', failureReason: 'expired' });
    expect(recordCounts.succeeded).toBeGreaterThan(0);
    expect(recordCounts.canceled).toBeGreaterThan(0);
    expect(recordCounts.succeeded + recordCounts.canceled).toBe(RECORDS);
    process.stdout.write(
      `deadline: ${recordCounts.succeeded} processed, ${recordCounts.canceled} canceled\n`,
    );
  });
});
