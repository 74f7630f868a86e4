import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('failed rows that are corrected on a page and sent again', () => {
  let test: TestApp;
  let client: ImportClient;
  let cookie: string;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    cookie = await signIn(test);
  });
  afterAll(() => test.close());

  const batchWithErrors = async (): Promise<number> => {
    const importProcessId = await client.setUp();
    const rows = [member(1), member(2, { Level: 'Boss' }), member(3, { Level: 'Boss' })];
    const { body } = await client.createBatch(jsonl(rows), { importProcessId });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const resend = async (id: number, line: number): Promise<number> => {
    const response = await fetch(`${test.url}/imports/${id}/fix`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: test.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ [`send:${line}`]: 'yes', [`cell:${line}:Level`]: 'Fellow' }),
    });
    expect(response.status).toBe(303);
    return Number(response.headers.get('location')?.split('/').at(-1));
  };
  const page = async (id: number): Promise<string> => (await client.get(`/imports/${id}`)).body;

  it('are linked with the import they come from, both ways, over any number of pages', async () => {
    const parent = await batchWithErrors();
    const first = await resend(parent, 2);
    const second = await resend(parent, 3);
    expect(second).not.toBe(first);
    for (const child of [first, second]) {
      await expect(client.ended(child)).resolves.toMatchObject({
        retryOf: parent,
        creationPath: 'IMPORT_QUEUE_UI',
        recordCounts: { total: 1, succeeded: 1 },
      });
      expect(await page(child)).toContain(`<dt>Retry of</dt><dd><a href="/imports/${parent}">`);
      expect(await page(parent)).toContain(`<a href="/imports/${child}">import ${child}</a>`);
    }
  });

  it('leave the one retry of all failed records possible', async () => {
    const parent = await batchWithErrors();
    const child = await resend(parent, 2);
    expect((await client.batch(parent)).links.retryFailed).toBeDefined();
    const { status, body } = await client.post(`/API/WorkflowImportQueue/Batches/${parent}/RetryFailed`);
    expect({ status, total: body.recordCounts.total }).toEqual({ status: 202, total: 2 });
    expect(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID).not.toBe(child);
    const again = await client.post(`/API/WorkflowImportQueue/Batches/${parent}/RetryFailed`);
    expect(again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID).toBe(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });
});
