import type { BatchResource } from '../../src/batches/batch-resource.js';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import { seededRandom } from './support/seeded.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';

const STEPS = Number(process.env.CRASH_STEPS ?? 20);
const WORKERS = 2;
/** Enough for a batch to be at work still when the next step comes. */
const MOST_RECORDS = 12_000;
const BATCHES = '/API/WorkflowImportQueue/Batches';

jest.setTimeout(60_000 + STEPS * 10_000);

describe('whatever is done with batches', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  const sumOf = ({ recordCounts: { total, ...states } }: BatchResource) => ({
    total,
    sum: Object.values(states).reduce((sum, count) => sum + count, 0),
  });

  /** Every view: the list and the single answer of the API, and the database at that moment. */
  async function look(client: ImportClient): Promise<BatchResource[]> {
    const { items } = (await client.get(`${BATCHES}?limit=100`)).body as { items: BatchResource[] };
    for (const item of items)
      expect(sumOf(item)).toEqual({ total: item.recordCounts.total, sum: sumOf(item).total });
    const wrong = await examine(
      site.observer.client,
      INVARIANTS.filter(({ cheap }) => cheap),
    );
    expect(wrong.map(({ invariant, rows }) => [invariant.code, rows])).toEqual([]);
    return items;
  }

  /**
   * Break it: in `writeChunkProgress`, leave out a count; in `cancelRecords`, count all records of the chunk; in
   * `selectBatches`, read the counts of the chunks in a statement of its own.
   */
  it(`in ${STEPS} random steps, each batch has as many records as were sent, in every snapshot`, async () => {
    const random = seededRandom('conservation');
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
    const client = await site.client(site.start('api'));
    const workers: ServiceProcess[] = Array.from({ length: WORKERS }, () => site.start('worker'));
    await Promise.all(workers.map((worker) => worker.ready()));
    const taken = new Set<string>();
    const sent = new Map<number, number>();

    const act = async (batch: BatchResource, action: string) => {
      const answer = await client.post(`${BATCHES}/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}/${action}`);
      // Too late or too early is an answer too.
      expect([202, 409]).toContain(answer.status);
      if (answer.status !== 202) return;
      taken.add(action);
      expect(sumOf(answer.body)).toEqual({ total: sumOf(answer.body).total, sum: sumOf(answer.body).total });
    };

    // Chance may choose only actions that come too late: then it gets more steps.
    for (let step = 1; step <= STEPS || (taken.size < 2 && step <= 5 * STEPS); step += 1) {
      const batches = await look(client);
      const roll = random();
      if (roll < 0.3 || batches.length === 0) {
        const body = newMembers(1 + Math.floor(random() * MOST_RECORDS));
        const { id, total } = await site.send(client, body);
        sent.set(id, total);
      } else if (roll < 0.85) {
        // Mostly an unfinished one: with a fast worker it is hard to find a running one in another way.
        const open = batches.filter(
          ({ status }) => status === 'queued' || status === 'in_progress' || status === 'paused',
        );
        await act(
          pick(open.length > 0 && random() < 0.8 ? open : batches),
          pick(['Cancel', 'Pause', 'Pause', 'Resume', 'Resume', 'RetryFailed']),
        );
      } else if (roll < 0.93) {
        await site.redis.flushAll();
      } else {
        const victim = Math.floor(random() * WORKERS);
        await workers[victim]!.kill();
        workers[victim] = site.start('worker');
      }
    }
    for (const batch of await look(client)) await act(batch, 'Resume');

    const all = await site.observer.rows<{ id: number }>(
      'SELECT workflow_import_queue_batch_id::integer AS id FROM import_queue_batch',
    );
    await site.observer.allEnded(all, 90_000);
    const batches = await look(client);
    for (const batch of batches) {
      const total = sent.get(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      if (total !== undefined) expect(batch.recordCounts.total).toBe(total);
      expect(batch.recordCounts.pending).toBe(0);
    }
    const wrong = await examine(site.observer.client, INVARIANTS);
    expect(wrong.map(({ invariant, rows }) => [invariant.code, rows])).toEqual([]);
    expect(await site.observer.rows('SELECT * FROM witness.second_outcome')).toEqual([]);
    process.stdout.write(`conservation: ${batches.length} batches, done: ${[...taken].sort().join(', ')}\n`);
    expect(taken.size).toBeGreaterThan(1);
  });
});
