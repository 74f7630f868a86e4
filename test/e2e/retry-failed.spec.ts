import { ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('POST …/Batches/{id}/RetryFailed', () => {
  let test: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '50' });
    client = new ImportClient(test.url);
  });

  afterAll(() => test.close());

  const retry = (id: number) => client.post(`/API/WorkflowImportQueue/Batches/${id}/RetryFailed`);

  /** Ends a batch of 300 records in which every tenth lacks its required First Name. */
  const batchWithErrors = async () => {
    const importProcessId = await client.setUp();
    const rows = Array.from({ length: 300 }, (_, n) => member(n, n % 10 === 0 ? { 'First Name': null } : {}));
    const { body } = await client.createBatch(`\n${jsonl(rows)}`, {
      importProcessId,
      fileName: 'with errors',
      sendFailureEmailTo: 'a@example.org',
    });
    return { importProcessId, parent: await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID) };
  };

  it('makes a linked batch of just the failed records, under their own line numbers, and leaves the parent alone', async () => {
    const { parent } = await batchWithErrors();
    const { status, headers, body } = await retry(parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(body.links.self);
    expect(body).toMatchObject({
      fileName: 'with errors',
      retryOf: parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
      creationPath: 'IMPORT_QUEUE_RETRY',
      recordCounts: { total: 30 },
    });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const records = await client.get(`${body.links.records}?limit=100`);
    expect(records.body.items.map(({ line }: { line: number }) => line)).toEqual(
      Array.from({ length: 30 }, (_, n) => 2 + 10 * n),
    );
    const { links: _, ...unchanged } = await client.batch(parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(parent).toMatchObject(unchanged);
  });

  it('checks the records with the current import process, so that a corrected rule accepts them', async () => {
    const { importProcessId, parent } = await batchWithErrors();
    const [step] = MEMBER_WORKFLOW.steps;
    const lenient = {
      ...MEMBER_WORKFLOW,
      steps: [{ ...step!, actions: [{ ...step!.actions[0]!, required: [] }] }],
    };
    await expect(
      client.call('PUT', `/API/Workflows/${MEMBER_WORKFLOW.name}`, { body: lenient }),
    ).resolves.toMatchObject({ status: 200 });
    try {
      const { body } = await retry(parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      expect(body.importProcessId).toBe(importProcessId);
      await expect(client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).resolves.toMatchObject({
        status: 'completed',
        recordCounts: { total: 30, succeeded: 30 },
      });
    } finally {
      await client.call('PUT', `/API/Workflows/${MEMBER_WORKFLOW.name}`, { body: MEMBER_WORKFLOW });
    }
  });

  it('makes one child of two simultaneous calls', async () => {
    const { parent } = await batchWithErrors();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => retry(parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID)),
    );
    expect(
      new Set(answers.map(({ status, body }) => `${status} ${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`)).size,
    ).toBe(1);
  });

  /** Break it: in `BatchRetryService.retryFailed`, look for no earlier child. */
  it('answers the existing child even if the import process was disabled meanwhile', async () => {
    const { importProcessId, parent } = await batchWithErrors();
    const id = parent.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const { body: child } = await retry(id);
    await client.disable(importProcessId);
    const again = await retry(id);
    expect([again.status, again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID]).toEqual([
      202,
      child.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    ]);
    expect((await retry(child.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).body.code).toBe('import_process_disabled');
  });

  /** Break it: in `BatchRetryController`, read the id with ParseIntPipe. */
  it.each(['99999999999999999999', '-1', 'abc', '01', '9007199254740993'])(
    'knows no batch %s',
    async (id) => {
      const { status, body } = await client.post(`/API/WorkflowImportQueue/Batches/${id}/RetryFailed`);
      expect([status, body.code]).toEqual([404, 'batch_not_found']);
    },
  );

  it('refuses a batch in which nothing failed, and one that does not exist', async () => {
    const importProcessId = await client.setUp();
    const { body } = await client.createBatch(jsonl([member(9000)]), { importProcessId });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    await expect(retry(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).resolves.toMatchObject({
      status: 409,
      body: { code: 'state_conflict', currentStatus: 'completed' },
    });
    await expect(retry(424242)).resolves.toMatchObject({ status: 404, body: { code: 'batch_not_found' } });
  });
});
