import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PATH = '/API/WorkflowImportQueue/ImportProcesses/FromFile';
const ROWS = 'id;E-Mail;Stunden;Stufe\n1;a@example.org;4,0;A\n2;b@example.org;5,5;A\n3;c@example.org;6,0;B\n';

describe('POST ImportProcesses/FromFile', () => {
  let test: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
  });
  afterAll(() => test.close());

  const send = (query: string, content: string, name = 'people.csv', as = client) => {
    const form = new FormData();
    form.set('file', new Blob([content]), name);
    return as.call('POST', `${PATH}${query}`, { body: form });
  };

  it('proposes a workflow and an import process, and keeps nothing', async () => {
    const answer = await send('', ROWS);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      fileName: 'people.csv',
      rows: 3,
      understood: { format: 'csv', delimiter: ';', headerRow: 1 },
      fields: [
        { header: 'id', identifier: true },
        { header: 'E-Mail', type: 'Email', required: true },
        { header: 'Stunden', type: 'Numeric' },
        { header: 'Stufe', type: 'ShortText' },
      ],
      workflow: { name: 'people', identifiers: [{ name: ':id' }] },
      importProcess: { name: 'People', target: { workflow: 'people' } },
      mapping: { id: ':id' },
    });
    expect((await client.get('/API/Workflows/people')).status).toBe(404);
    expect((await client.get('/API/WorkflowImportQueue/Batches')).body.items).toEqual([]);
  });

  it('creates both and uploads the file; a name in use gets a number', async () => {
    for (const name of ['Team', 'Team 2']) {
      const answer = await send('?create=true&fileName=team.csv', ROWS);
      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({
        status: 'awaiting_confirmation',
        fileName: 'team.csv',
        importProcessName: name,
        createdFrom: { kind: 'file', batchId: null },
        summary: { valid: 3, invalid: 0 },
      });
      expect(answer.headers.get('location')).toBe(
        `/API/WorkflowImportQueue/Batches/${answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`,
      );
      await client.act(answer, 'Confirm');
      await expect(client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).resolves.toMatchObject({
        recordCounts: { total: 3, succeeded: 3 },
      });
    }
  });

  it('needs Configure, and to create also BeginWorkflowImportProcess', async () => {
    const keyed = async (permissions: string[]) => {
      const { body } = await client.post('/API/ApiKeys', { name: 'Key', permissions });
      return new ImportClient(test.url, body.key);
    };
    expect((await send('', ROWS, 'x.csv', await keyed(['BeginWorkflowImportProcess']))).status).toBe(403);
    const configures = await keyed(['Configure']);
    expect((await send('', ROWS, 'x.csv', configures)).status).toBe(200);
    expect(await send('?create=true', ROWS, 'x.csv', configures)).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
  });

  it('refuses a file without rows, and creates nothing', async () => {
    expect(await send('?create=true', 'a,b\n', 'none.csv')).toMatchObject({
      status: 400,
      body: { code: 'empty_body' },
    });
    expect((await client.get('/API/Workflows/none')).status).toBe(404);
  });
});
