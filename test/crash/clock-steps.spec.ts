import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { Site } from './support/site.js';

const DAY_MS = 86_400_000;
const SKEWED_CLOCK = `--import=${join(__dirname, 'support/skewed-clock.mjs')}`;
const wrongBy = (milliseconds: number) => ({
  NODE_OPTIONS: SKEWED_CLOCK,
  CLOCK_SKEW_MS: String(milliseconds),
});

describe('processes whose clocks are wrong', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  /**
   * Every time that decides something is PostgreSQL's. Break it: in `transition`, set `finished_at` from
   * `new Date()`.
   */
  it('by a day, in both directions and with a step in the middle, process each record once, and times stay in order', async () => {
    const api = site.start('api', wrongBy(-DAY_MS));
    const client = await site.client(api);
    const workers = [site.start('worker', wrongBy(DAY_MS)), site.start('worker', wrongBy(-DAY_MS))];
    await Promise.all(workers.map((worker) => worker.ready()));

    for (let step = 1; step <= 3; step += 1) {
      await site.send(client, 4_000, { sendFailureEmailTo: 'owner@example.org' });
      const before = await site.observer.done();
      await eventually(async () => (await site.observer.done()) > before + 500, 'records to be done');
      for (const process of [api, ...workers]) process.signal('SIGUSR2');
      await site.redis.flushAll();
    }
    expect(await site.problems()).toEqual([]);
    await eventually(() => site.smtp.mails.length === site.accepted.length, 'one mail per batch');
    expect(
      await site.observer.rows(
        `SELECT workflow_import_queue_batch_id AS id FROM import_queue_batch
          WHERE NOT (created_at <= started_at AND started_at <= finished_at AND finished_at <= now())`,
      ),
    ).toEqual([]);
  });
});
