import type { Page } from 'playwright-core';
import { Site } from '../support/browser/site.js';
import { eventually } from '../support/eventually.js';
import { jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the page of an import that runs', () => {
  let site: Site;
  let worker: TestApp | undefined;
  let importProcessId: number;
  let people = 0;

  beforeAll(async () => {
    // Nothing changes until a test starts a worker or acts itself.
    site = await Site.open({ ROLE: 'api' });
    importProcessId = await site.client.setUp();
  });
  afterEach(() => site.farewell());
  afterAll(async () => {
    await worker?.close();
    await site?.close();
  });

  const send = async (): Promise<number> => {
    const rows = [member((people += 1)), member((people += 1)), { ...member((people += 1)), Level: 'Boss' }];
    const { body } = await site.client.createBatch(jsonl(rows), { importProcessId, fileName: 'live.jsonl' });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const act = (id: number, action: string) =>
    site.client.post(`/API/WorkflowImportQueue/Batches/${id}/${action}`);

  /** The requests of the page, and whether it is still the page that was opened. */
  const watch = async (page: Page, id: number) => {
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname.split('/').at(-1) ?? ''));
    await page.goto(`/imports/${id}`);
    await page.evaluate('window.isTheSamePage = true');
    return {
      count: (what: string) => asked.filter((name) => name === what).length,
      isTheSame: () => page.evaluate('window.isTheSamePage === true'),
    };
  };

  it('requests nothing while nothing changes, and at most twice a second when much does', async () => {
    const id = await send();
    const { page } = await site.administrator();
    const { count } = await watch(page, id);
    await eventually(async () => count('Events') > 0, 'the page to connect');
    await page.waitForTimeout(1500);
    const before = count('live');
    await page.waitForTimeout(4500);
    expect({ asked: count('live') - before, connections: count('Events') }).toEqual({
      asked: 0,
      connections: 1,
    });
    const stream = page.locator('#stream');
    const began = Date.now();
    for (let sent = 0; sent < 20; sent += 1) {
      await stream.evaluate((element) => element.dispatchEvent(new Event('progress')));
      await page.waitForTimeout(50);
    }
    await page.waitForTimeout(600);
    expect(count('live') - before).toBeGreaterThan(1);
    expect(count('live') - before).toBeLessThanOrEqual((Date.now() - began) / 500 + 2);
    expect(await site.farewell()).toEqual([]);
  });

  it('receives the actions of others, and keeps receiving them', async () => {
    const id = await send();
    const { page } = await site.administrator();
    const { isTheSame } = await watch(page, id);
    await act(id, 'Pause');
    await page.getByText('Paused', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).first().waitFor();
    // The server polls once a second and misses a change that is undone in between.
    await page.waitForTimeout(1500);
    await act(id, 'Resume');
    await page.getByText('Queued', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).first().waitFor();
    expect(await isTheSame()).toBe(true);
    expect(await site.farewell()).toEqual([]);
  });

  /** Break it: in pages.js, close no dialog before a swap. */
  it('closes a question that no longer applies, and stays usable', async () => {
    const id = await send();
    const { page } = await site.administrator();
    await watch(page, id);
    await page.getByRole('button', { name: 'Pause' }).first().click();
    await page.getByRole('dialog').waitFor();
    await act(id, 'Pause');
    await page.getByText('Paused', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(await page.title()).toBe('Paused · live.jsonl · Workflow Import Queue');
    expect(await site.farewell()).toEqual([]);
  });

  it('polls if events do not arrive', async () => {
    const id = await send();
    const visitor = await site.administrator();
    const { page } = visitor;
    await page.route('**/Events', (route) => route.abort());
    const { isTheSame } = await watch(page, id);
    await act(id, 'Pause');
    await page.getByText('Paused', { exact: true }).waitFor();
    expect(await isTheSame()).toBe(true);
    // The browser and htmx report the missing connection, and nothing else.
    const complaints = await site.farewell();
    expect(complaints.filter((text) => !/ERR_FAILED|Failed to fetch/.test(text))).toEqual([]);
  });

  it('shows the end without a reload, and then requests nothing', async () => {
    const id = await send();
    const { page } = await site.administrator();
    const { isTheSame, count } = await watch(page, id);
    await page.getByText('Queued', { exact: true }).waitFor();
    worker = await startTestApp({
      ROLE: 'worker',
      DATABASE_URL: site.app.config.databaseUrl ?? '',
      QUEUE_PREFIX: site.app.config.queuePrefix,
    });
    await page.getByText('Completed with errors', { exact: true }).waitFor();
    await page.getByText('2 succeeded + 1 invalid').or(page.getByText('1 invalid + 2 succeeded')).waitFor();
    await page.getByRole('heading', { name: 'Why records failed' }).waitFor();
    expect(await page.title()).toBe('Completed with errors · live.jsonl · Workflow Import Queue');
    const announced = page.getByRole('status').getByText('Completed with errors: 2 succeeded, 1 failed');
    expect(await announced.count()).toBe(1);
    await page.getByRole('link', { name: 'Fix and resend' }).waitFor();
    expect(await isTheSame()).toBe(true);
    expect(await page.locator('#stream').count()).toBe(0);
    const before = count('live');
    await page.waitForTimeout(3000);
    expect({ asked: count('live') - before, connections: count('Events') }).toEqual({
      asked: 0,
      connections: 1,
    });
    expect(await site.farewell()).toEqual([]);
  });
});
