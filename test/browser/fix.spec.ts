import type { Page } from 'playwright-core';
import { jsonl, member } from '../support/import-client.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';

describe('the grid of failed rows', () => {
  let site: Site;
  let importProcessId: number;
  let next = 1;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  const failing = async (changes: readonly object[]): Promise<number> => {
    const rows = changes.map((change) => member((next += 1), { Level: 'Boss', ...change }));
    const { body } = await site.client.createBatch(jsonl(rows), {
      importProcessId,
      fileName: 'people.jsonl',
    });
    await site.client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const cell = (page: Page, name: string, line: number) => page.getByLabel(`${name}, line ${line}`);
  const saved = (page: Page) => page.getByText('Draft saved', { exact: true }).waitFor();
  const picture = (page: Page, name: string) =>
    process.env.PICTURES === undefined
      ? undefined
      : page.screenshot({ path: `${process.env.PICTURES}-${name}.png`, fullPage: true });

  it('is the way from an import with failed rows to one in which they succeed', async () => {
    const id = await failing([{}, { Level: 'Fellow', 'Date Of Birth': '31.12.1999' }, { Level: 'Felow' }]);
    const visitor = await site.administrator();
    const { page } = visitor;
    await page.goto(`/imports/${id}`);
    expect(await page.getByRole('button', { name: /Retry/ }).count()).toBe(0);
    await picture(page, 'import');
    await page.getByRole('link', { name: 'Fix and resend' }).click();
    await page.getByRole('heading', { name: 'Fix 3 rows of people.jsonl' }).waitFor();
    expect(await visitor.hindrances()).toEqual([]);
    await cell(page, 'Date Of Birth', 2).focus();
    await picture(page, 'grid');
    await page.getByText('must be a calendar date written YYYY-MM-DD').first().waitFor();
    await cell(page, 'Date Of Birth', 2).fill('1999-12-31');
    await cell(page, 'Level', 1).selectOption('Fellow');
    await saved(page);
    await page.getByRole('heading', { name: 'Causes' }).waitFor();
    await page.getByRole('button', { name: 'Apply "Did you mean Fellow?" to 1 row' }).click();
    await page.getByRole('button', { name: 'Send 3 rows' }).waitFor();
    await page.getByRole('button', { name: 'Send 3 rows' }).click();
    await page.getByText('3 succeeded = 3 records received').waitFor();
    expect(await page.getByRole('link', { name: `import ${id}` }).textContent()).toBe(`import ${id}`);
    await picture(page, 'child');
    await page.goto(`/imports/${id}/fix`);
    expect(await page.getByText(/Sent in import/).count()).toBe(3);
    expect(await visitor.hindrances()).toEqual([]);
    await picture(page, 'done');
  });

  /** Break it: in fix-grid.js, leave `neighbour` at null. */
  it('works by keyboard as a spreadsheet does, and keeps its changes over a reload', async () => {
    const id = await failing([{}, {}, {}]);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}/fix`);
    await cell(page, 'First Name', 1).focus();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('Ada');
    await page.keyboard.press('Enter');
    await page.keyboard.type('Bo');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.type('Cy');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.name')).toBe('cell:2:Last Name');
    await saved(page);
    await page.reload();
    expect(await cell(page, 'First Name', 1).inputValue()).toBe('Ada');
    expect(await cell(page, 'First Name', 2).inputValue()).toBe('Bo');
    expect(await cell(page, 'First Name', 3).inputValue()).toBe('Cy');
  });

  /** Break it: in fix-grid.js, leave the section of the causes as it is. */
  it('shows no causes once each wrong value is corrected', async () => {
    const id = await failing([{}]);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}/fix`);
    await page.getByRole('heading', { name: 'Causes' }).waitFor();
    await cell(page, 'Level', 1).selectOption('Fellow');
    await page.getByRole('heading', { name: 'Causes' }).waitFor({ state: 'hidden' });
  });

  /** Break it: in fix-grid.js, leave the listener of `paste` out. */
  it('takes a block of cells from a spreadsheet', async () => {
    const id = await failing([{}, {}, {}]);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}/fix`);
    await cell(page, 'First Name', 1).evaluate((field: any) => {
      const { DataTransfer, ClipboardEvent } = field.ownerDocument.defaultView;
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', 'Ada\tLovelace\r\nGrace\tHopper\r\n');
      field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    });
    await saved(page);
    expect(await cell(page, 'Last Name', 2).inputValue()).toBe('Hopper');
    await page.reload();
    expect(await cell(page, 'First Name', 1).inputValue()).toBe('Ada');
    expect(await cell(page, 'Last Name', 2).inputValue()).toBe('Hopper');
    expect(await cell(page, 'First Name', 3).inputValue()).not.toBe('Grace');
  });

  it('works without JavaScript, and asks before a draft is discarded', async () => {
    const id = await failing([{}, {}]);
    const plain = (await site.administrator({ javaScriptEnabled: false })).page;
    await plain.goto(`/imports/${id}/fix`);
    await cell(plain, 'Level', 1).selectOption('Fellow');
    await plain.getByRole('button', { name: 'Save and check' }).last().click();
    await plain.getByRole('button', { name: 'Send 1 row' }).waitFor();
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}/fix`);
    await page.getByRole('button', { name: 'Discard my changes' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard my changes' }).click();
    await page.getByRole('button', { name: 'Send corrected rows' }).waitFor();
    expect(await cell(page, 'Level', 1).inputValue()).toBe('Boss');
  });

  it('fits a phone', async () => {
    const id = await failing([{}, { 'Date Of Birth': 'x' }]);
    const visitor = await site.administrator({ viewport: PHONE, colorScheme: 'dark' });
    await visitor.open(`/imports/${id}/fix`);
    expect(await visitor.overflow()).toBe(0);
    await picture(visitor.page, 'phone');
  });
});
