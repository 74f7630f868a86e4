import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';
import { jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';

describe('the pages of configuration', () => {
  let site: Site;
  let importProcessId: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  it('create a workflow, and report each mistake with its line', async () => {
    const { page } = await site.administrator();
    await page.goto('/workflows');
    await page.getByRole('link', { name: 'New workflow' }).click();
    await page.goto('/workflows/new?as=json');
    const editor = page.getByLabel('Definition, as JSON');
    const good = (await editor.inputValue()).replace('my-workflow', 'course');
    await editor.fill(good.replace('"ShortText"', '"ShortTxt"'));
    await page.getByRole('button', { name: 'Create workflow' }).click();
    expect(await page.getByRole('alert').textContent()).toMatch(/line 16: \/attributes\/0\/type/);
    await editor.fill(good.replace('"steps": [', '"steps" ['));
    await page.getByRole('button', { name: 'Create workflow' }).click();
    await page.getByRole('alert').getByText('line 20').waitFor();
    await editor.fill(good);
    await page.getByRole('button', { name: 'Create workflow' }).click();
    await page.getByRole('heading', { name: 'My Workflow' }).waitFor();
    await page.getByRole('status').getByText('Saved as version 1.').waitFor();
  });

  it('create a file type, try a row, move it to the top and disable it', async () => {
    const visitor = await site.administrator();
    const { page } = visitor;
    await page.goto('/file-types');
    await page.getByRole('link', { name: 'New file type' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Fellows');
    await page.getByLabel('Position in lists').fill('90');
    await page.getByLabel('Action', { exact: true }).selectOption('Grant Role › Import › Grant');
    await page.getByRole('button', { name: 'Create file type' }).click();
    await page.getByRole('button', { name: 'Move Fellows up' }).click();
    expect(await page.locator('tbody tr').first().textContent()).toContain('Fellows');
    await page.getByRole('link', { name: 'Fellows' }).click();
    const row = page.getByLabel('Paste a row');
    await row.fill('UniqueId\tFirst Name\tLevel\tDate of birth\nM-1\tAnn\tBoss\t31.02.1980');
    await page.getByRole('button', { name: 'Try the row' }).click();
    await page.getByText('must be an existing calendar day, written day.month.year').waitFor();
    await row.fill('UniqueId\tFirst Name\tLevel\tDate of birth\nM-1\tAnn\tfellow \t31.12.1980');
    await page.getByRole('button', { name: 'Try the row' }).click();
    await page.getByRole('definition').filter({ hasText: '1980-12-31' }).waitFor();
    expect(await page.locator('#try').getByRole('status').first().textContent()).toContain('Create');
    expect(await visitor.hindrances()).toEqual([]);
    await page.getByLabel('Status').selectOption('disabled');
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await page.getByRole('cell', { name: '2', exact: true }).waitFor();
    await page.goto('/imports/new');
    const headings = await page.getByRole('heading', { level: 2 }).allTextContents();
    expect(headings).toEqual(['Start from a file', 'Or choose a file type', 'Members']);
  });

  it('find an instance by its identifier, and show its log', async () => {
    const { body } = await site.client.createBatch(jsonl([member(1), member(2)]), {
      importProcessId,
      sendSuccessEmailTo: 'ann@example.org',
    });
    await site.client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { page } = await site.visitor(await signIn(site.app, 'viewer'));
    await page.goto('/workflows');
    await page.getByRole('link', { name: 'Instances of Grant Role' }).click();
    await page.getByLabel('Identifier').selectOption(':Email');
    await page.getByLabel('is', { exact: true }).fill('person2@example.org');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.locator('tbody').getByRole('link').first().click();
    await page.getByRole('cell', { name: 'First 2', exact: true }).waitFor();
    await page.getByRole('link', { name: /^import \d+, line 2$/ }).click();
    await page.getByRole('heading', { name: 'Line 2' }).waitFor();
  });

  it('show every mail, and send it again', async () => {
    const { page } = await site.administrator();
    await page.goto('/mail');
    const mail = page.locator('details.mail').first();
    await mail.locator('summary').click();
    await mail.locator('pre').waitFor();
    await mail.getByRole('button', { name: 'Send again' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send again' }).click();
    await page.getByText('to ann@example.org').first().waitFor();
  });

  it('offer each role only the pages that it may open', async () => {
    const entries = async (role: 'administrator' | 'operator' | 'viewer') => {
      const { page } = await site.visitor(await signIn(site.app, role));
      await page.goto('/imports');
      return page.locator('header nav a').allTextContents();
    };
    const trimmed = (texts: string[]) => texts.map((text) => text.trim());
    expect(trimmed(await entries('viewer'))).toEqual(['API docs', 'Imports', 'Workflows', 'Mail']);
    expect(trimmed(await entries('operator'))).toEqual([
      'API docs',
      'Job dashboard',
      'Overview',
      'Imports',
      'New import',
      'Workflows',
      'Mail',
    ]);
    expect(trimmed(await entries('administrator'))).toEqual(
      expect.arrayContaining(['Job dashboard', 'File types', 'API keys', 'Users']),
    );
  });

  /** Break it: in pages.js, leave `nav.scrollLeft` as it is; in wiq.css, leave out `display: none` of the entries, or `display` of `.table-mobile-md .btn`. */
  it('show the current entry and whole buttons on a phone, below a header of one row', async () => {
    const visitor = await site.administrator({ viewport: PHONE });
    const { page } = visitor;
    await page.goto('/users');
    expect((await page.locator('.site-header').boundingBox())!.height).toBeLessThanOrEqual(60);
    await page.getByRole('button', { name: 'Menu' }).click();
    const { x = 999, width = 0 } = (await page.locator('.site-nav [aria-current]').boundingBox()) ?? {};
    expect(x + width).toBeLessThanOrEqual(PHONE.width);
    expect(await visitor.hindrances()).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('link', { name: 'Webhooks' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'Webhooks' }).click();
    await page.waitForURL('**/webhooks');
    await page.setViewportSize({ width: 800, height: 600 });
    await page.goto('/audit');
    const last = (await page.locator('.site-nav [aria-current]').boundingBox())!;
    expect(last.x + last.width).toBeLessThanOrEqual(800);
    await page.setViewportSize(PHONE);
    await site.client.setUp(undefined, {}, { name: 'Others' });
    await page.goto('/file-types');
    const button = page.getByRole('button', { name: /^Move / }).first();
    const [outer, inner] = [await button.boundingBox(), await button.locator('svg').boundingBox()];
    expect(inner!.y + inner!.height).toBeLessThanOrEqual(outer!.y + outer!.height);
  });

  it('are accessible, on a desktop and on a phone', async () => {
    const visitor = await site.administrator();
    const phone = await site.administrator({ viewport: PHONE });
    const endpoint = { url: 'https://hooks.invalid/a', events: ['batch.failed'] };
    const endpointId = (await site.client.post('/API/WebhookEndpoints', endpoint)).body.id;
    await site.client.post(`/API/WebhookEndpoints/${endpointId}/Test`);
    const paths = [
      '/workflows',
      '/workflows/new',
      '/workflows/grant-role',
      '/workflows/grant-role/edit',
      '/workflows/grant-role/instances',
      '/workflows/grant-role/instances/1',
      '/file-types',
      `/file-types/${importProcessId}`,
      '/mail',
      '/mail?of=actions',
      '/webhooks',
      `/webhooks/${endpointId}`,
      '/api-keys',
      '/users',
      '/account',
    ];
    for (const path of paths) {
      await visitor.open(path);
      expect({ path, hindrances: await visitor.hindrances() }).toEqual({ path, hindrances: [] });
      await phone.open(path);
      expect({ path, overflow: await phone.overflow() }).toEqual({ path, overflow: 0 });
    }
  }, 120_000);
});
