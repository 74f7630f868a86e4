import { eventually } from '../support/eventually.js';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('POST …/Batches/{id}/Cancel, Pause and Resume', () => {
  let api: TestApp;
  let worker: TestApp | undefined;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    // No worker at first, so that a batch stays where it is put.
    api = await startTestApp({ ROLE: 'api', CHUNK_SIZE: '5' });
    client = new ImportClient(api.url);
    importProcessId = await client.setUp();
  });

  afterAll(async () => {
    await worker?.close();
    await api.close();
  });

  const create = async (records: number): Promise<number> => {
    const rows = Array.from({ length: records }, (_, n) => member(n));
    const { body } = await client.createBatch(jsonl(rows), { importProcessId });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const act = (id: number | string, action: string, as = client): Promise<Answer> =>
    as.post(`/API/WorkflowImportQueue/Batches/${id}/${action}`);
  const clientWith = async (key: Record<string, unknown>): Promise<ImportClient> => {
    const { body } = await client.post('/API/ApiKeys', { name: 'narrow', ...key });
    return new ImportClient(api.url, body.key);
  };

  it('pauses and resumes a batch, each time listing only what may be done next', async () => {
    const id = await create(1);
    const paused = await act(id, 'Pause');
    expect(paused).toMatchObject({
      status: 202,
      body: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, status: 'paused' },
    });
    expect(Object.keys(paused.body.links).sort()).toEqual(['cancel', 'records', 'results', 'resume', 'self']);
    const resumed = await act(id, 'Resume');
    expect(resumed).toMatchObject({ status: 202, body: { status: 'queued' } });
    expect(Object.keys(resumed.body.links).sort()).toEqual(['cancel', 'pause', 'records', 'results', 'self']);
  });

  it('refuses what the status does not allow, naming the status', async () => {
    const id = await create(1);
    expect(await act(id, 'Resume')).toMatchObject({
      status: 409,
      body: { code: 'state_conflict', currentStatus: 'queued' },
    });
    await act(id, 'Cancel');
    for (const action of ['Cancel', 'Pause', 'Resume']) {
      expect(await act(id, action)).toMatchObject({
        status: 409,
        body: { code: 'state_conflict', currentStatus: 'canceling' },
      });
    }
  });

  it('answers 404 for a batch that does not exist', async () => {
    expect(await act(999_999, 'Cancel')).toMatchObject({ status: 404, body: { code: 'batch_not_found' } });
  });

  it('needs the permission ManageImports', async () => {
    const viewer = await clientWith({ permissions: ['ViewImports', 'BeginWorkflowImportProcess'] });
    const id = await create(1);
    for (const action of ['Cancel', 'Pause', 'Resume']) {
      expect(await act(id, action, viewer)).toMatchObject({ status: 403 });
    }
    expect(await client.batch(id)).toMatchObject({ status: 'queued' });
  });

  it('does not touch batches of import processes that the key may not use', async () => {
    const stranger = await clientWith({
      permissions: ['ManageImports', 'ViewImports'],
      importProcessIds: [await client.setUp()],
    });
    const id = await create(1);
    expect(await act(id, 'Cancel', stranger)).toMatchObject({
      status: 403,
      body: { code: 'import_process_not_allowed' },
    });
    expect(await client.batch(id)).toMatchObject({ status: 'queued' });
  });

  it('changes a batch once if asked many times simultaneously', async () => {
    const id = await create(1);
    const answers = await Promise.all(Array.from({ length: 8 }, () => act(id, 'Pause')));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...new Array<number>(7).fill(409)]);
  });

  it('of a waiting batch ends it soon with running workers, with every record accounted for', async () => {
    const canceled = await create(100);
    const paused = await create(20);
    await act(canceled, 'Cancel');
    await act(paused, 'Pause');
    worker = await startTestApp({
      ROLE: 'worker',
      CHUNK_SIZE: '5',
      DATABASE_URL: api.config.databaseUrl!,
      QUEUE_PREFIX: api.config.queuePrefix,
    });
    expect(await client.ended(canceled, 10_000)).toMatchObject({
      status: 'canceled',
      recordCounts: { total: 100, canceled: 100, pending: 0, succeeded: 0 },
    });
    await eventually(
      async () => (await client.batch(paused)).status === 'paused',
      'the other to stay paused',
    );
    await act(paused, 'Resume');
    expect(await client.ended(paused, 10_000)).toMatchObject({
      status: 'completed',
      recordCounts: { total: 20, succeeded: 20 },
    });
  });
});
