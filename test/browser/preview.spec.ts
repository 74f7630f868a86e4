import { csv, fileOf, memberRow } from '../support/browser/member-file.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';
import { jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';

const COLUMNS = [':UniqueId', ':Email', 'First Name', 'Level', 'Notes'];

describe('the rows of a file before confirmation', () => {
  let site: Site;
  let importProcessId: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp(undefined, {}, { name: 'Members' });
    const known = Array.from({ length: 60 }, (_, n) => member(n, { Notes: 'Prefers letters' }));
    const { body } = await site.client.createBatch(jsonl(known), { importProcessId });
    await site.client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  /** Updates, unchanged and cleared values, new people, a rejected and an invalid row, and two rows about one person. */
  const upload = async () => {
    const rows = [
      ...Array.from({ length: 30 }, (_, n) => [...memberRow(n, 'Associate'), 'Prefers letters']),
      ...Array.from({ length: 20 }, (_, n) => [...memberRow(30 + n), n < 4 ? '' : 'Prefers letters']),
      ...Array.from({ length: 20 }, (_, n) => [...memberRow(100 + n), '']),
      ['M-100', 'person100@example.org', 'Maximiliane', 'Fellow', ''],
      ['M-1', 'person2@example.org', 'First 1', 'Fellow', ''],
      [...memberRow(200, 'Knight'), ''],
    ];
    const file = await fileOf('members.csv', csv(rows, COLUMNS));
    return { file };
  };
  const send = async (cookie: string, options: object = {}) => {
    const { file } = await upload();
    const visitor = await site.visitor(cookie, options);
    const { page } = visitor;
    await page.goto(`/imports/new/${importProcessId}`);
    await page.setInputFiles('input[type=file]', file);
    await page.getByRole('button', { name: 'Upload and check' }).click();
    await page.waitForURL(/\/imports\/\d+$/);
    return visitor;
  };
  const choose = async (page: import('playwright-core').Page, tab: RegExp) => {
    await page
      .getByRole('navigation', { name: 'Rows by what they would do' })
      .getByRole('link', { name: tab })
      .click();
    await page.waitForURL(/operation=/);
  };

  /** Break it: in `_preview-rows.hbs`, take the `tabindex` from the table's region; in wiq.css, give `del` a pale color. */
  it('are shown by what they would do, on a desk and on a phone, in light and dark', async () => {
    const visitor = await send(await signIn(site.app));
    const { page } = visitor;
    await page.getByLabel('Empty cells', { exact: true }).selectOption('clear');
    await page.getByRole('button', { name: 'Read again', exact: true }).click();
    await page.getByText('Notes changes in 4 rows').waitFor();
    await page.getByText('4 stored values would be cleared, in 4 rows.').waitFor();
    await page.getByText(/would change 34 of the 60 things that exist/).waitFor();
    expect(await visitor.hindrances()).toEqual([]);
    await choose(page, /^Update \d+$/);
    const row = page.locator('.preview-rows tbody tr').first();
    expect(await row.locator('del').textContent()).toContain('Fellow');
    expect(await row.locator('ins').textContent()).toContain('Associate');
    expect(await visitor.hindrances()).toEqual([]);
    for (const viewport of [PHONE, { width: 1440, height: 900 }]) {
      await page.setViewportSize(viewport);
      expect(await visitor.overflow()).toBe(0);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        if (process.env.SCREENSHOTS)
          await page.screenshot({
            path: `${process.env.SCREENSHOTS}/update-${viewport.width}-${colorScheme}.png`,
            fullPage: true,
          });
      }
    }
    await choose(page, /^Invalid 1$/);
    await page
      .getByText(/Knight/)
      .first()
      .waitFor();
    if (process.env.SCREENSHOTS) {
      await page.goto(page.url().replace(/\?.*/, '?operation=created'));
      await page.locator('#same summary').click();
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/created.png`, fullPage: true });
      await page.goto(page.url().replace(/\?.*/, '?operation=invalid'));
      await page.setViewportSize(PHONE);
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/invalid.png`, fullPage: true });
    }
  });

  it('can be paged through without JavaScript', async () => {
    const { body } = await site.client.upload(
      csv(
        Array.from({ length: 70 }, (_, n) => [...memberRow(300 + n), '']),
        COLUMNS,
      ),
      { importProcessId },
    );
    const { page } = await site.visitor(await signIn(site.app), { javaScriptEnabled: false });
    await page.goto(`/imports/${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`);
    await choose(page, /^Create 70$/);
    const rows = page.locator('.preview-rows tbody tr');
    expect(await rows.count()).toBe(50);
    await page.getByRole('link', { name: 'Next rows' }).click();
    await page.waitForURL(/rows=/);
    expect(await rows.count()).toBe(20);
    await page.getByRole('link', { name: 'First page' }).click();
    await page.waitForURL((url) => !url.search.includes('rows='));
    expect(await rows.count()).toBe(50);
  });
});
