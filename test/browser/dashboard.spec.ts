import { Site } from '../support/browser/site.js';

describe('the job dashboard in the browser', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  it('shows the queues and requests nothing from other hosts', async () => {
    const { page } = await site.administrator();
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(site.url) && !request.url().startsWith('data:')) {
        elsewhere.push(request.url());
      }
    });
    await page.goto('/imports');
    await page.getByRole('link', { name: 'Job dashboard' }).click();
    await page.getByText('import-chunks').first().waitFor();
    await page.getByRole('link', { name: 'import-chunks' }).first().click();
    await page.waitForURL(/\/queues\/queue\/import-chunks/);
    await page.waitForLoadState('networkidle');
    expect(elsewhere).toEqual([]);
  });
});
