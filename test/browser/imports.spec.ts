import { jsonl, member } from '../support/import-client.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';

describe('Recent Imports and the page of one import', () => {
  let site: Site;
  let importProcessId: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp();
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  const send = async (fileName: string, rows: unknown[]): Promise<number> => {
    const { body } = await site.client.createBatch(jsonl(rows), { fileName, importProcessId });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };

  it('say how to begin, and show an import as it comes in without a reload', async () => {
    const { page, ...visitor } = await site.administrator();
    await page.goto('/imports');
    expect(await page.locator('h2').textContent()).toBe('Nothing has been imported yet');
    await send('people.jsonl', [member(1), member(2), { ...member(3), Level: 'Boss' }]);
    await page.getByRole('link', { name: 'people.jsonl' }).waitFor();
    await page.getByText('Completed with errors').waitFor();
    expect(await page.locator('tbody tr').first().textContent()).toContain('1 refused');
    void visitor;
  });

  it('lead from a refused record to its whole story', async () => {
    const id = await send('mixed.jsonl', [member(11), { ...member(12), Level: 'Boss' }, member(13)]);
    await site.client.ended(id);
    const { page } = await site.administrator();
    await page.goto('/imports');
    await page.getByRole('link', { name: 'mixed.jsonl' }).click();
    await page.getByText('2 succeeded + 1 invalid').or(page.getByText('1 invalid + 2 succeeded')).waitFor();
    await page.getByRole('link', { name: 'line 2' }).click();
    expect(await page.locator('h1').textContent()).toBe('Line 2');
    expect(await page.locator('tr.is-wrong').textContent()).toContain('Boss');
    await page.getByRole('link', { name: 'Next line' }).click();
    expect(await page.getByRole('link', { name: /^instance / }).getAttribute('href')).toMatch(
      /^\/workflows\/grant-role\/instances\/\d+$/,
    );
  });

  it('ask before they retry, and then lead to the new import', async () => {
    const id = await send('again.jsonl', [member(21), { ...member(22), Level: 'Boss' }]);
    await site.client.ended(id);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}`);
    await page.getByRole('button', { name: 'Retry refused records' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Leave it as it is' }).click();
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByRole('button', { name: 'Retry refused records' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry refused records' }).click();
    await page.getByRole('link', { name: `import ${id}` }).waitFor();
  });

  it('hinder nobody, at a desk and on a phone', async () => {
    const id = await send('axe.jsonl', [member(31), { ...member(32), Level: 'Boss' }]);
    await site.client.ended(id);
    const visitor = await site.administrator();
    const phone = await site.administrator({ viewport: PHONE });
    for (const path of ['/imports', '/imports?q=none', `/imports/${id}`, `/imports/${id}/records/2`]) {
      await visitor.open(path);
      expect({ path, hindrances: await visitor.hindrances() }).toEqual({ path, hindrances: [] });
      await phone.open(path);
      expect({ path, overflow: await phone.overflow() }).toEqual({ path, overflow: 0 });
    }
  });
});
