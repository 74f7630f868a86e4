import { Client } from 'pg';
import { jsonl, member } from '../support/import-client.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';

const SCREENSHOTS = process.env.OVERVIEW_SCREENSHOTS;

/** Two weeks of a busy installation, as `import_queue_statistics` keeps them. */
const HISTORY = `
  INSERT INTO import_queue_statistics (hour, import_process_id, shard, batches, succeeded, failed, invalid, skipped,
    durations, slowest_ms, slowest_batch_id)
  SELECT date_trunc('hour', now(), 'UTC') - n * interval '1 hour', p, -1, 1 + (n + p) % 3,
         (1 + sin(n / 3.8)) * 40000 / p + 300, CASE WHEN n % 7 = p THEN 900 ELSE 4 END,
         CASE WHEN n % 11 = 0 THEN 1500 ELSE 0 END, n % 5 * 40, array_fill(0, ARRAY[46 + p::integer]) || (1 + (n + p) % 3),
         30000 * p, 1
    FROM generate_series(1, 335) n, unnest($1::bigint[]) p ON CONFLICT DO NOTHING`;

describe('the overview in the browser', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open({ CHUNK_SIZE: '100' });
    const names = ['Members', 'Applications', 'Continuing education'];
    const ids: number[] = [];
    for (const name of names) ids.push(await site.client.setUp(undefined, {}, { name }));
    const { body } = await site.client.createBatch(
      jsonl([...Array.from({ length: 250 }, (_, n) => member(n)), { nonsense: 1 }]),
      { importProcessId: ids[0]!, fileName: 'members.jsonl' },
    );
    await site.client.upload(':UniqueId,First Name\nM-1,Ada\n', { importProcessId: ids[1]! });
    await site.client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const sql = new Client({ connectionString: site.app.database.url });
    await sql.connect();
    await sql.query(HISTORY, [ids]);
    await sql.query(
      `INSERT INTO import_queue_statistics (hour, import_process_id, shard, database_bytes)
       SELECT date_trunc('hour', now(), 'UTC') - n * interval '1 hour', 0, -1, 3e9 - n * 4e6
         FROM generate_series(1, 335) n`,
    );
    await sql.end();
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  it('shows the picture, its numbers and what needs attention, on a desk and on a phone', async () => {
    for (const viewport of [{ width: 1440, height: 900 }, PHONE]) {
      const visitor = await site.administrator({ viewport });
      const { page } = visitor;
      await page.goto('/');
      await page.waitForURL('**/overview');
      await page.getByRole('heading', { name: 'Rows per hour' }).waitFor();
      await page.getByText('1 upload to confirm').waitFor();
      await page.getByRole('link', { name: '7 days' }).click();
      await page.waitForURL('**/overview?span=7d');
      await page.getByText('Show the numbers as a table').click();
      expect(await page.getByRole('row').count()).toBeGreaterThan(100);
      expect(await visitor.hindrances()).toEqual([]);
      expect(await visitor.overflow()).toBeLessThanOrEqual(0);
      await page.getByText('Show the numbers as a table').click();
      for (const colorScheme of ['light', 'dark'] as const) {
        if (SCREENSHOTS === undefined) continue;
        await page.emulateMedia({ colorScheme });
        for (const path of [
          '/overview',
          '/overview?span=7d',
          '/overview?span=30d',
          '/settings',
          '/imports',
        ]) {
          await page.goto(path);
          const name = path.replace(/\W+/g, '-');
          await page.screenshot({
            path: `${SCREENSHOTS}/${viewport.width}-${colorScheme}${name}.png`,
            fullPage: true,
          });
        }
      }
      await page.goto('/settings');
      expect(await visitor.hindrances()).toEqual([]);
      expect(await visitor.overflow()).toBeLessThanOrEqual(0);
    }
  });

  /** Break it: leave `data-hx-trigger` out of the form of filters. */
  it('filters Recent Imports as soon as a filter changes', async () => {
    const visitor = await site.administrator();
    const { page } = visitor;
    await page.goto('/imports');
    expect(await page.getByRole('link', { name: 'members.jsonl' }).count()).toBe(1);
    await page.getByLabel('From').fill('2120-01-01');
    await page.getByText('No imports match').waitFor();
    expect(page.url()).toContain('createdAfter=2120-01-01');
    await page.getByLabel('From').fill('');
    await page.getByRole('link', { name: 'members.jsonl' }).waitFor();
    await page.getByRole('searchbox', { name: 'By' }).fill('nobody@example.org');
    await page.getByText('No imports match').waitFor();
    await page.reload();
    expect(await page.getByRole('searchbox', { name: 'By' }).inputValue()).toBe('nobody@example.org');
    await page.getByRole('link', { name: 'Show all', exact: true }).click();
    await page
      .getByRole('link', { name: /^Members/ })
      .first()
      .click();
    await page.getByRole('link', { name: 'members.jsonl' }).waitFor();
    expect(await visitor.hindrances()).toEqual([]);
  });
});
