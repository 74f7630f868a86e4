import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const OWN = 'Own file type';
const OTHER = 'Other file type';
const BATCHES = '/API/WorkflowImportQueue/Batches';

interface Side {
  importProcessId: number;
  batchId: number;
  instanceId: number;
}

describe('a user who is limited to some file types', () => {
  let app: TestApp;
  let administrator: string;
  let limited: string;
  let own: Side;
  let other: Side;

  beforeAll(async () => {
    app = await startTestApp({ BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '' });
    own = await makeSide('own', OWN);
    other = await makeSide('other', OTHER);
    administrator = await signIn(app);
    limited = await signIn(app, 'operator', 'limited@example.org');
    const path = await pathOf('limited@example.org');
    const form = { role: 'operator', limitShown: 'yes', importProcessIds: String(own.importProcessId) };
    expect((await submit(app, `${path}/role`, form, { cookie: administrator })).status).toBe(303);
  });

  afterAll(() => app?.close());

  async function makeSide(workflow: string, name: string): Promise<Side> {
    const client = new ImportClient(app.url);
    const definition = grantRole({
      name: workflow,
      title: `${workflow} workflow`,
      grant: {
        required: ['First Name'],
        behaviors: [
          { kind: 'sendEmail', to: ':Email', subject: `Mail of ${workflow}`, template: 'Welcome.' },
        ],
      },
    });
    const importProcessId = await client.setUp(definition, {}, { name });
    const answer = await client.createBatch(jsonl([member(1)]), {
      importProcessId,
      fileName: `${workflow}-file.jsonl`,
      sendSuccessEmailTo: `${workflow}@example.org`,
    });
    const batchId: number = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await client.ended(batchId);
    const { body } = await client.get(`/API/Workflows/${workflow}/Instances`);
    return { importProcessId, batchId, instanceId: body.items[0].id };
  }

  const open = async (path: string, cookie = limited) => {
    const response = await fetch(app.url + path, { headers: { cookie }, redirect: 'manual' });
    return { status: response.status, text: await response.text() };
  };
  const pathOf = async (email: string) => {
    const { text } = await open('/users', administrator);
    return new RegExp(`<a href="(/users/\\d+)">${email}<`).exec(text)![1]!;
  };

  /** Break it: in the list of a page, leave out the principal. */
  it.each([
    ['/imports', 'own-file.jsonl', 'other-file.jsonl'],
    ['/imports/new', OWN, OTHER],
    ['/workflows', 'own workflow', 'other workflow'],
    ['/mail', 'own@example.org', 'other@example.org'],
    ['/mail?of=actions', 'Mail of own', 'Mail of other'],
    [BATCHES, 'own-file.jsonl', 'other-file.jsonl'],
    ['/API/WorkflowImportQueue/ImportProcesses', OWN, OTHER],
  ])('finds in the list %s only what belongs to them', async (path, shown, hidden) => {
    const all = await open(path, administrator);
    expect(all.text).toContain(shown);
    expect(all.text).toContain(hidden);
    const { status, text } = await open(path);
    expect(status).toBe(200);
    expect(text).toContain(shown);
    expect(text).not.toContain(hidden);
  });

  /** Break it: leave out one `assertMayUse`, `assertMayRead` or `assertReaches`. */
  it.each([
    ['a page of an import', ({ batchId }: Side) => `/imports/${batchId}`],
    ['a page of a record', ({ batchId }: Side) => `/imports/${batchId}/records/1`],
    ['the upload page', ({ importProcessId }: Side) => `/imports/new/${importProcessId}`],
    ['the page for one row', ({ importProcessId }: Side) => `/imports/new/${importProcessId}/one`],
    ['a workflow', (side: Side) => `/workflows/${side === own ? 'own' : 'other'}`],
    ['instances', (side: Side) => `/workflows/${side === own ? 'own' : 'other'}/instances`],
    [
      'an instance',
      (side: Side) => `/workflows/${side === own ? 'own' : 'other'}/instances/${side.instanceId}`,
    ],
    ['a batch', ({ batchId }: Side) => `${BATCHES}/${batchId}`],
    ['records', ({ batchId }: Side) => `${BATCHES}/${batchId}/Records`],
    ['results', ({ batchId }: Side) => `${BATCHES}/${batchId}/Results`],
    ['mails', ({ batchId }: Side) => `${BATCHES}/${batchId}/Notifications`],
    ['instances by the API', (side: Side) => `/API/Workflows/${side === own ? 'own' : 'other'}/Instances`],
    [
      'an instance by the API',
      (side: Side) => `/API/Workflows/${side === own ? 'own' : 'other'}/Instances/${side.instanceId}`,
    ],
  ])('opens %s of their file types and of no others', async (_what, path) => {
    expect((await open(path(own))).status).toBe(200);
    expect((await open(path(other), administrator)).status).toBe(200);
    expect((await open(path(other))).status).toBe(403);
  });

  /** Break it: in `MetricsController`, leave out `assertUnlimited`. */
  it.each(['/metrics', '/queues'])('does not see %s, which covers all file types', async (path) => {
    expect((await open(path, administrator)).status).toBe(200);
    expect((await open(path)).status).toBe(403);
  });
});
