import type { Locator, Page } from 'playwright-core';
import { Site } from '../support/browser/site.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const BATCHES = '/API/WorkflowImportQueue/Batches';
const MEMBERS = ':UniqueId,:Email,First Name,Level\n';

interface Operation {
  id: string;
  path: string;
  tag: string;
  parameters: { name: string; in: string; required?: boolean; example?: unknown; schema?: any }[];
  requestBody?: { content: Record<string, any> };
  responses: Record<string, unknown>;
}

/** They destroy what the others need. */
const LAST = [
  ...['cancelBatch', 'undoBatch', 'deleteBatch'],
  ...['removeMapping', 'deleteImportProcess', 'deleteWebhookEndpoint'],
];
/** These must come first, because the others use what they create. */
const FIRST = [
  'createWorkflow',
  'createImportProcess',
  'createMapping',
  'createBatch',
  'createWebhookEndpoint',
];

/** What these refer to does not exist here, so 404 is their answer. */
const MADE_UP = /\/Parts\/|\/Connections\/|\/Behaviors\/|\/Deliveries\/\{n\}\//;

/** Presses Execute at every operation. Break it: change the `level` of `performAction` in `BODY_EXAMPLES`. */
describe('the page of the API docs', () => {
  let site: Site;
  /** A batch that has ended, with a record that succeeded and one that failed. */
  let sample: number | undefined;

  beforeAll(async () => {
    site = await Site.open({ ALLOW_PRIVATE_TARGETS: 'true' });
  }, 60_000);
  afterAll(() => site?.close(), 60_000);

  const operations = async (): Promise<Operation[]> => {
    const { paths }: any = await (await fetch(`${site.url}/docs/openapi.json`)).json();
    return Object.entries<any>(paths).flatMap(([path, item]) =>
      Object.values<any>(item).map(({ operationId, tags, parameters = [], requestBody, responses }) => ({
        ...{ id: operationId, path, tag: tags[0], parameters, requestBody, responses },
      })),
    );
  };
  const upload = async (rows: string): Promise<number> => {
    const { body } = await site.client.upload(MEMBERS + rows, { importProcessId: 1 });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const ended = async (rows: string): Promise<number> => {
    const id = await upload(rows);
    await site.client.post(`${BATCHES}/${id}/Confirm`);
    await site.client.ended(id);
    return id;
  };
  const waiting = async (): Promise<number> => {
    const notBefore = new Date(Date.now() + 3600_000).toISOString();
    const line = '{":UniqueId":"W-1","First Name":"Will","Level":"Fellow"}';
    const { body } = await site.client.createBatch(line, { importProcessId: 1, notBefore });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };

  /** The first record of the batch is unknown, because its receiver takes no keys and answers 500. */
  const lost = async (): Promise<number> => {
    const receiver = await WebhookReceiver.start();
    receiver.answers.set('/', [500]);
    const target = { kind: 'http', url: `${receiver.url}/`, idempotent: false };
    const process = await site.client.post('/API/WorkflowImportQueue/ImportProcesses', {
      ...{ name: 'Lost', target },
    });
    const { body } = await site.client.createBatch('{"n":1}', { importProcessId: process.body.id });
    await site.client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    await receiver.stop();
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };

  /** What the reader would type into the required parameters that have no example. */
  const given = async (operation: Operation): Promise<Record<string, string>> => {
    const { id, path } = operation;
    const named = { name: 'grant-role', action: 'Grant', behaviorId: '1', n: '1', token: 'unknown' };
    if (path.includes('/Connections/')) return { name: 'main', schema: 'public', table: 'unknown' };
    if (path.includes('/Mappings/')) return { id: '1', name: 'HR export' };
    if (path.includes('/Instances/')) {
      const { body } = await site.client.get('/API/Workflows/grant-role/Instances');
      return { ...named, id: String(body.items[0]?.id) };
    }
    if (path.includes('/ApiKeys/')) {
      const { body } = await site.client.post('/API/ApiKeys', { name: 'x', permissions: ['ViewImports'] });
      return { id: String(body.id) };
    }
    if (id === 'deleteImportProcess') {
      return { id: String(await site.client.setUp(undefined, {}, { name: 'Unused' })) };
    }
    if (!path.startsWith(`${BATCHES}/{id}`)) return { ...named, id: '1' };
    if (['confirmBatch', 'abandonBatch', 'readUploadAgain', 'previewBatch'].includes(id)) {
      return { id: String(await upload('U-1,u@example.org,Una,Fellow\n')) };
    }
    if (id === 'resolveRecords') return { id: String(await lost()) };
    if (['cancelBatch', 'pauseBatch'].includes(id)) return { id: String(await waiting()) };
    if (id === 'resumeBatch') {
      const paused = await waiting();
      await site.client.post(`${BATCHES}/${paused}/Pause`);
      return { id: String(paused) };
    }
    sample ??= await ended('S-1,s@example.org,Ed,Fellow\nS-2,,Ed,Senior\n');
    return { id: String(sample) };
  };

  const fill = async (block: Locator, operation: Operation): Promise<void> => {
    const values = await given(operation);
    for (const { name, in: place, required, example, schema } of operation.parameters) {
      if (required !== true || (example ?? schema?.example) !== undefined) continue;
      const row = block.locator(`tr[data-param-name="${name}"][data-param-in="${place}"]`);
      const input = row.locator('input, textarea').first();
      if ((await input.count()) > 0) await input.fill(values[name] ?? 'unknown');
    }
    const file = block.locator('input[type=file]');
    const content = Buffer.from(`${MEMBERS}F-1,f@example.org,Fay,Fellow\n`);
    if ((await file.count()) > 0) {
      await file.first().setInputFiles({ name: 'members.csv', mimeType: 'text/csv', buffer: content });
    }
  };

  const execute = async (page: Page, operation: Operation): Promise<number | string> => {
    const block = page.locator(`[id="operations-${operation.tag.replaceAll(' ', '_')}-${operation.id}"]`);
    await block.locator('.opblock-summary-control').click();
    await fill(block, operation);
    await block.getByRole('button', { name: 'Execute' }).click();
    const status = block.locator('.live-responses-table .response .response-col_status').first();
    const text = await status.textContent({ timeout: 10_000 }).catch(() => 'nothing was sent');
    await block.locator('.opblock-summary-control').click();
    return /^\d{3}/.test(text ?? '') ? Number(text?.slice(0, 3)) : (text ?? '');
  };

  it('offers only what works, in a browser that is signed in', async () => {
    const { page, complaints } = await site.administrator({ viewport: { width: 1200, height: 900 } });
    await page.goto('/docs');
    const shown = page.locator('.opblock');
    await shown.first().waitFor();
    const heads = await shown.evaluateAll((blocks) => blocks.slice(0, 2).map(({ id }) => id));
    expect(heads).toEqual(['operations-Import_queue-createBatch', 'operations-Import_queue-uploadFile']);
    await page.getByText('A browser in which you are signed in needs no key').first().waitFor();
    expect(await page.getByRole('link', { name: 'Back to the imports' }).getAttribute('href')).toBe('/');

    const all = await operations();
    const rank = ({ id }: Operation) =>
      FIRST.includes(id) ? FIRST.indexOf(id) - FIRST.length : LAST.indexOf(id) + 1;
    const outcomes: [string, number | string, boolean][] = [];
    for (const operation of all.toSorted((a, b) => rank(a) - rank(b))) {
      const status = await execute(page, operation);
      const isDocumented =
        typeof status === 'number' && (status < 300 || String(status) in operation.responses);
      outcomes.push([operation.id, status, isDocumented]);
    }
    expect(outcomes.filter(([, , isDocumented]) => !isDocumented)).toEqual([]);
    const madeUp = new Set(all.filter(({ path }) => MADE_UP.test(path)).map(({ id }) => id));
    expect(outcomes.filter(([id, status]) => Number(status) >= 300 && !madeUp.has(id))).toEqual([]);
    expect(complaints.filter((text) => !text.includes('Failed to load resource'))).toEqual([]);
    await site.farewell();
  }, 900_000);
});
