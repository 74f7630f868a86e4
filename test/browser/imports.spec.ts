import type { Page } from 'playwright-core';
import { contrast } from '../support/browser/contrast.js';
import { Site } from '../support/browser/site.js';
import { PHONE } from '../support/browser/visitor.js';
import { jsonl, member } from '../support/import-client.js';

describe('Recent Imports and the page of one import', () => {
  let site: Site;
  let importProcessId: number;
  let rejecting: number;

  beforeAll(async () => {
    site = await Site.open();
    importProcessId = await site.client.setUp();
    // No instance exists, so each valid record fails in processing.
    rejecting = await site.client.setUp(undefined, { onNoMatch: 'reject' });
  });
  afterAll(() => site?.close());
  afterEach(async () => expect(await site.farewell()).toEqual([]));

  const send = async (fileName: string, rows: unknown[], processId = importProcessId): Promise<number> => {
    const { body } = await site.client.createBatch(jsonl(rows), { fileName, importProcessId: processId });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };

  it('say how to start, and show a new import without a reload', async () => {
    const { page, ...visitor } = await site.administrator();
    await page.goto('/imports');
    expect(await page.locator('h2').textContent()).toBe('Nothing has been imported yet');
    await send('people.jsonl', [member(1), member(2), { ...member(3), Level: 'Boss' }]);
    await page.getByRole('link', { name: 'people.jsonl' }).waitFor();
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    expect(await page.locator('tbody tr').first().textContent()).toContain('1 failed');
    void visitor;
  });

  it('link from a failed record to its details', async () => {
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

  /** Break it: in wiq.css, leave `height` out of `.confirmation`. */
  it('ask before a retry, and then lead to the new import', async () => {
    const id = await send('again.jsonl', [member(21), { ...member(22), Level: 'Boss' }], rejecting);
    await site.client.ended(id);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}`);
    await page.getByRole('button', { name: 'Retry 1 record' }).first().click();
    // As high as its question, not as the window.
    const { height = 0 } = (await page.getByRole('dialog').boundingBox()) ?? {};
    expect(height).toBeGreaterThan(100);
    expect(height).toBeLessThan(350);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.getByRole('button', { name: 'Retry 1 record' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry 1 record' }).click();
    await page.getByRole('link', { name: `import ${id}` }).waitFor();
  });

  /** Break it: in pages.js, leave out `showModal`. */
  it('keep the focus in a question, and give it back', async () => {
    const id = await send('focus.jsonl', [member(25)], rejecting);
    await site.client.ended(id);
    const { page } = await site.administrator();
    await page.goto(`/imports/${id}`);
    const button = page.getByRole('button', { name: 'Retry 1 record' }).first();
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let count = 0; count < 5; count += 1) {
      await page.keyboard.press('Tab');
      const isOutside = await page.evaluate('document.activeElement.closest("dialog, body") === null');
      const isBehind = await page.evaluate('document.activeElement.closest("main a, header") !== null');
      expect([isOutside, isBehind]).toEqual([false, false]);
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await button.evaluate((element) => element.ownerDocument.activeElement === element)).toBe(true);
  });

  /** Break it: in wiq.css, leave `overflow-wrap` out of `.crumbs`. */
  it('stay as wide as the window with the longest name', async () => {
    const id = await send('a'.repeat(255), [member(41), { ...member(42), Level: 'Boss' }]);
    await site.client.ended(id);
    for (const options of [{}, { viewport: PHONE }]) {
      const visitor = await site.administrator(options);
      for (const path of ['', `/${id}`, `/${id}/records/2`, `/${id}/fix`]) {
        await visitor.open(`/imports${path}`);
        expect({ path, overflow: await visitor.overflow() }).toEqual({ path, overflow: 0 });
      }
    }
  });

  const ground = (page: Page, selector: string): Promise<string> =>
    page.evaluate(`getComputedStyle(document.querySelector('${selector}')).backgroundColor`);

  /** Break it: in wiq.css, give `--field-border` the colour #dce1e7, or leave the colours of `.alert-danger` out. */
  it('show the border of a field, and which message is an error', async () => {
    const id = await send('seen.jsonl', [{ ...member(51), Level: 'Boss' }]);
    await site.client.ended(id);
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await site.administrator({ colorScheme });
      await page.goto('/imports');
      for (const field of ['select', 'input[type=search]'])
        expect(await contrast(page, field, 'borderTopColor')).toBeGreaterThanOrEqual(3);
      await page.goto(`/imports/${id}/fix`);
      expect(
        await contrast(page, 'input[type=text], input:not([type])', 'borderTopColor'),
      ).toBeGreaterThanOrEqual(3);
      await page.goto(`/imports/${id}/records/1`);
      expect(await ground(page, '.alert-danger')).toBe(await ground(page, '.badge.tone-bad'));
      expect(await contrast(page, '.alert-danger', 'color')).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('are accessible, on a desktop and on a phone', async () => {
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
