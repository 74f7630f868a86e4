import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { CHUNK_QUEUE } from '../../src/platform/queue/queues.js';
import { Site } from '../support/browser/site.js';

describe('the job dashboard and the API docs in the browser', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  /** Break it: leave out `COLORS`, or a name in job-dashboard.js. */
  it('shows the queues to everyone, and requests nothing from other hosts', async () => {
    const administrator = await site.administrator();
    const { page } = administrator;
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(site.url) && !request.url().startsWith('data:')) {
        elsewhere.push(request.url());
      }
    });
    await page.goto('/imports');
    await page.getByRole('link', { name: 'Job dashboard' }).click();
    await page.getByText('import-chunks').first().waitFor();
    expect(await administrator.hindrances()).toEqual([]);
    await page.getByRole('link', { name: 'import-chunks' }).first().click();
    await page.waitForURL(/\/queues\/queue\/import-chunks/);
    await page.waitForLoadState('networkidle');
    expect(elsewhere).toEqual([]);
  });

  /** Break it: in `adapted`, leave out `DISABLED_BUTTONS`. */
  it('offers no action that is disabled', async () => {
    const queue = site.app.app.get<Queue>(getQueueToken(CHUNK_QUEUE), { strict: false });
    const job = await queue.add({ batchId: 1, chunkNumber: 1 }, { delay: 3600_000 });
    const administrator = await site.administrator();
    const { page } = administrator;
    await page.goto('/queues/queue/import-chunks?status=delayed');
    const actions = page.locator('ul[class*="jobActions"] button');
    await actions.first().waitFor();
    // Not Duplicate and Update data.
    const names = await actions
      .filter({ visible: true })
      .evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel));
    expect(names).toEqual(['Promote', 'Reschedule', 'Remove']);
    expect(await administrator.hindrances()).toEqual([]);
    await page.getByRole('button', { name: 'Actions' }).click();
    const items = page.getByRole('menuitem').filter({ visible: true });
    await items.first().waitFor();
    expect(await items.allTextContents()).toEqual(['Pause']);
    await job.remove();
  });

  /** Break it: leave out `STYLE`, `deepLinking` or `completeParts`. */
  it('offers API docs that everyone can use', async () => {
    const administrator = await site.administrator();
    await administrator.page.goto('/docs');
    await administrator.page.getByText('Start a batch').first().waitFor();
    expect(await administrator.hindrances()).toEqual([]);
    await administrator.page.getByText('Start a batch').first().click();
    await administrator.page.getByRole('button', { name: 'Execute' }).first().waitFor();
    expect(await administrator.hindrances()).toEqual([]);
  });
});
