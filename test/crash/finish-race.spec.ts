import { eventually } from '../support/eventually.js';
import { newMembers } from './support/members.js';
import { Site } from './support/site.js';

const WORKERS = 8;
const BATCHES = 100;
const OWNER = 'owner@example.org';

jest.setTimeout(150_000);

describe('eight workers', () => {
  let site: Site;

  beforeAll(async () => {
    // They also look constantly for batches that no one has ended.
    site = await Site.open({ RECONCILE_INTERVAL_MS: '100', DATABASE_POOL_SIZE: '5' });
  });
  afterAll(() => site.close());

  /** Break it: in `transition`, leave out `AND status = $2`, and FOR NO KEY UPDATE in `lockEndedBatch`. */
  it('race to end a hundred batches of one record: each ends once, with one mail', async () => {
    const client = await site.client(site.start('api'));
    const workers = Array.from({ length: WORKERS }, () => site.start('worker'));
    await Promise.all(workers.map((worker) => worker.ready()));

    await Promise.all(
      Array.from({ length: BATCHES }, () =>
        site.send(client, newMembers(1, true), { sendSuccessEmailTo: OWNER }),
      ),
    );
    expect(await site.problems()).toEqual([]);
    await eventually(
      async () => (await site.observer.number(`SELECT count(*) FROM outbox WHERE status <> 'sent'`)) === 0,
      'all mails to be sent',
    );
    const links = site.smtp.mails.map(({ text }) => /imports\/(\d+)/.exec(text ?? '')?.[1]);
    expect(links.map(Number).toSorted((a, b) => a - b)).toEqual(
      site.accepted.map(({ id }) => id).toSorted((a, b) => a - b),
    );
    expect(workers.filter(({ alive }) => alive)).toHaveLength(WORKERS);
  });
});
