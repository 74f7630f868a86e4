import { brokenCreations } from '../support/creations.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const save = { kind: 'save' } as const;
const WORKFLOW: WorkflowDefinition = {
  name: 'application',
  title: 'Application',
  entityType: 'Application',
  identifiers: [
    { name: ':ApplicationId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'Name', type: 'ShortText', maxLength: 20 },
    { name: 'Fee', type: 'Numeric', minimum: 0 },
    { name: 'Reason', type: 'LongText' },
    { name: 'Decided On', type: 'Date' },
  ],
  steps: [
    {
      name: 'Entry',
      kind: 'dataEntry',
      actions: [
        { id: 1, name: 'Edit', inputs: ['Name', 'Fee'], required: ['Name'], primary: save },
        { id: 2, name: 'Submit', inputs: [], primary: { kind: 'moveToStep', step: 'Review' } },
      ],
    },
    {
      name: 'Review',
      kind: 'dataEntry',
      actions: [
        {
          ...{ id: 3, name: 'Approve', inputs: ['Fee', 'Reason'] },
          rules: [
            {
              when: { properties: { Fee: { const: 0 } }, required: ['Fee'] },
              require: { required: ['Reason'] },
              message: 'A fee of 0 needs a reason',
            },
          ],
          primary: { kind: 'completeSuccessfully' },
          behaviors: [
            { kind: 'setAttribute', name: 'Decided On', value: '{{now}}' },
            { kind: 'sendEmail', to: ':Email', subject: 'Welcome', template: 'Dear {{Name}}' },
          ],
        },
      ],
    },
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [{ id: 11, name: 'Load', inputs: ['Name', 'Fee'], primary: save }],
    },
    {
      name: 'Correct',
      kind: 'dataImport',
      actsOnTerminal: true,
      actions: [
        { id: 21, name: 'Load', inputs: ['Name'], primary: save },
        { id: 22, name: 'Reopen', inputs: [], primary: { kind: 'makeIncomplete' } },
      ],
    },
  ],
};
const INSTANCES = '/API/Workflows/application/Instances';

describe('an action without an import', () => {
  let app: TestApp;
  let client: ImportClient;
  let processId: number;
  let count = 0;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    processId = await client.setUp(WORKFLOW, { step: 'Import', action: 'Load' });
  });
  afterAll(() => app.close());

  /** The id of a new instance, which stands at the step "Entry". */
  const imported = async (): Promise<{ id: number; n: number }> => {
    const n = ++count;
    const row = { ':ApplicationId': `A-${n}`, ':Email': `person${n}@example.org`, Name: `Name ${n}` };
    const { body } = await client.createBatch(jsonl([row]), { importProcessId: processId });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const found = await client.get(`${INSTANCES}?identifier=:ApplicationId:A-${n}`);
    return { id: found.body.items[0].id, n };
  };
  const perform = (id: number, action: string | number, body: unknown = {}) =>
    client.post(`${INSTANCES}/${id}/Actions/${action}`, body);

  it('changes the instance as a record would, and answers it with its log and behaviors', async () => {
    const { id, n } = await imported();
    expect((await perform(id, 'Edit', { Name: 'Ada', Fee: '12.50' })).body).toMatchObject({
      ...{ id, workflow: 'application', status: 'incomplete', step: 'Entry', operation: 'updated' },
      attributes: { Name: 'Ada', Fee: 12.5, ':ApplicationId': `A-${n}` },
    });
    expect((await perform(id, 'Submit')).body).toMatchObject({ step: 'Review', operation: 'updated' });
    const { status, body } = await perform(id, 3, { Fee: 0, Reason: 'Student' });
    const today = expect.stringMatching(/^\d{4}-\d\d-\d\d$/);
    expect([status, body.status, body.attributes]).toMatchObject([
      200,
      'completed_successfully',
      { Fee: 0, Reason: 'Student', 'Decided On': today },
    ]);
    expect(body.log.items[0]).toMatchObject({
      ...{ action: 'Approve', batchId: null, line: null, actor: expect.stringMatching(/^api-key:/) },
      changes: { Fee: [12.5, 0], ':WorkflowStatus': ['incomplete', 'completed_successfully'] },
    });
    expect(body.log.items.map(({ action }: { action: string }) => action)).toEqual([
      ...['Approve', 'Submit', 'Edit', 'Load'],
    ]);
    expect(body.behaviors.items).toMatchObject([
      {
        kind: 'sendEmail',
        action: 'Approve',
        batchId: null,
        line: null,
        recipient: `person${n}@example.org`,
      },
    ]);
    await eventually(async () => {
      const { body: later } = await client.get(`${INSTANCES}/${id}`);
      return later.behaviors.items[0].status === 'not_sent_no_smtp';
    }, 'the mail to be dealt with');
  });

  const withKey = async (...permissions: string[]) => {
    const { body } = await client.post('/API/ApiKeys', { name: permissions.join(), permissions });
    return new ImportClient(app.url, body.key);
  };

  /** Break it: in `ActionsService.perform`, answer the instance whatever the permissions are. */
  it('answers nothing of the instance to a key that may only send rows', async () => {
    const { id } = await imported();
    const sender = await withKey('BeginWorkflowImportProcess');
    const edited = await sender.post(`${INSTANCES}/${id}/Actions/Edit`, { Name: 'Ada' });
    expect([edited.status, edited.body]).toEqual([200, { id, operation: 'updated' }]);
    const viewer = await withKey('BeginWorkflowImportProcess', 'ViewImports');
    const seen = await viewer.post(`${INSTANCES}/${id}/Actions/Edit`, { Name: 'Ada' });
    expect(seen.body).toMatchObject({ id, operation: 'unchanged', attributes: { Name: 'Ada' } });
  });

  it('is unchanged if nothing is to be done, without a log entry', async () => {
    const { id, n } = await imported();
    const { body } = await perform(id, 11, { ':Email': `PERSON${n}@example.org`, Name: `Name ${n}` });
    expect([body.operation, body.log.items.length]).toEqual(['unchanged', 1]);
  });

  it('keeps every digit of a number, and clears null values', async () => {
    const { id } = await imported();
    const digits = '12345678901234567890.123456789';
    const { body } = await client.call('POST', `${INSTANCES}/${id}/Actions/11`, {
      body: `{\n  "Name": null,\n  "Fee": ${digits}\n}`,
      headers: { 'content-type': 'application/json' },
    });
    expect([body.attributes.Fee, 'Name' in body.attributes]).toEqual([digits, false]);
  });

  it('gives the instance another identifier, but not that of another instance', async () => {
    const first = await imported();
    const second = await imported();
    const moved = await perform(first.id, 11, { ':Email': 'new@example.org' });
    expect(moved.body.attributes[':Email']).toBe('new@example.org');
    const { status, body } = await perform(second.id, 11, { ':Email': 'NEW@example.org' });
    expect([status, body.code, body.errors[0].pointer]).toEqual([409, 'ambiguous_match', '/:Email']);
  });

  it.each([
    [{ Name: '' }, 'required', '/Name'],
    [{}, 'required', '/Name'],
    [{ Name: 'x'.repeat(21) }, 'too_long', '/Name'],
    [{ Name: 'A', Fee: -1 }, 'too_small', '/Fee'],
    [{ Name: 'A', Reason: 'B' }, 'unknown_column', '/Reason'],
    [{ Name: 'A', ':Email': 'x' }, 'not_an_email', '/:Email'],
    [{ Name: 'A', ':Email': null }, 'no_identifier', '/:Email'],
    [{ Name: 'A', ':WorkflowActionName': 'Submit' }, 'unknown_column', '/:WorkflowActionName'],
    [{ Name: 'a\u0000b' }, 'unstorable_text', '/Name'],
  ])('refuses %j as %s, with its place', async (sent, code, pointer) => {
    const { id } = await imported();
    const { status, headers, body } = await perform(id, 'Edit', sent);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect([status, body.code, body.errors]).toEqual([
      400,
      code,
      [{ code, pointer, message: expect.any(String) }],
    ]);
    expect((await client.get(`${INSTANCES}/${id}`)).body.log.items).toHaveLength(1);
  });

  it('refuses what a rule of the action refuses, with the message of the rule', async () => {
    const { id } = await imported();
    await perform(id, 'Submit');
    const { status, body } = await perform(id, 'Approve', { Fee: 0 });
    expect([status, body.code, body.errors[0].message]).toEqual([
      ...[400, 'rule_violated', 'A fee of 0 needs a reason'],
    ]);
  });

  it('of a data entry step needs an instance that stands at it and is not completed', async () => {
    const { id } = await imported();
    const early = await perform(id, 'Approve');
    expect([early.status, early.body.code]).toEqual([409, 'instance_elsewhere']);
    await perform(id, 'Submit');
    expect((await perform(id, 'Approve')).status).toBe(200);
    const late = await perform(id, 'Approve');
    expect([late.status, late.body.code]).toEqual([409, 'instance_completed']);
  });

  it('of a data import step can be performed at any time, on completed instances only if the step says so', async () => {
    const { id } = await imported();
    await perform(id, 'Submit');
    expect((await perform(id, 11, { Fee: 1 })).status).toBe(200);
    await perform(id, 'Approve');
    const refused = await perform(id, 11, { Fee: 2 });
    expect([refused.status, refused.body.code]).toEqual([409, 'instance_completed']);
    expect((await perform(id, 'Reopen')).body).toMatchObject({ status: 'incomplete', step: 'Review' });
  });

  it.each([
    [`${INSTANCES}/999999/Actions/Edit`, 404, 'workflow_instance_not_found'],
    [`${INSTANCES}/x/Actions/Edit`, 404, 'workflow_instance_not_found'],
    ['/API/Workflows/nobody/Instances/1/Actions/Edit', 404, 'workflow_not_found'],
    [`${INSTANCES}/1/Actions/Edti`, 404, 'action_not_found'],
    [`${INSTANCES}/1/Actions/99`, 404, 'action_not_found'],
    [`${INSTANCES}/1/Actions/Load`, 409, 'ambiguous_action'],
  ])('POST %s is answered %d %s', async (path, status, code) => {
    await imported();
    const answer = await client.post(path, {});
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it.each<[string | Uint8Array | undefined, string | undefined, number, string]>([
    [undefined, undefined, 400, 'missing_body'],
    ['{"Name":"A"}', 'text/plain', 400, 'missing_body'],
    ['', 'application/json', 400, 'malformed_json'],
    ['{"Name":', 'application/json', 400, 'malformed_json'],
    [Buffer.from('7b224e616d65223a22ff227d', 'hex'), 'application/json', 400, 'malformed_json'],
    ['[]', 'application/json', 400, 'invalid_body'],
    ['null', 'application/json', 400, 'invalid_body'],
    [`{"Name":${'['.repeat(70)}${']'.repeat(70)}}`, 'application/json', 400, 'invalid_body'],
    [`{"Name":"${'x'.repeat(1024 * 1024)}"}`, 'application/json', 413, 'body_too_large'],
  ])('a body %.30s of the type %s is answered %d %s', async (body, type, status, code) => {
    const { id } = await imported();
    const answer = await client.call('POST', `${INSTANCES}/${id}/Actions/Edit`, {
      body,
      headers: type === undefined ? {} : { 'content-type': type },
    });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('is refused to a key that is limited to import processes', async () => {
    const { id } = await imported();
    const { body } = await client.post('/API/ApiKeys', {
      name: 'restricted',
      permissions: ['BeginWorkflowImportProcess'],
      importProcessIds: [processId],
    });
    const answer = await new ImportClient(app.url, body.key).post(`${INSTANCES}/${id}/Actions/Edit`, {});
    expect([answer.status, answer.body.code]).toEqual([403, 'workflow_not_allowed']);
  });

  it('loses no update to simultaneous actions or batches', async () => {
    const { id, n } = await imported();
    const batch = client.createBatch(
      jsonl(Array.from({ length: 20 }, (_, i) => ({ ':ApplicationId': `A-${n}`, Name: `Batch ${i}` }))),
      { importProcessId: processId },
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, fee) => perform(id, 11, { Fee: fee + 1 })),
    );
    expect(answers.map(({ status }) => status)).toEqual(new Array(20).fill(200));
    await client.ended((await batch).body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { rows } = await app.app
      .get(DatabaseService)
      .query<{ changes: Record<string, unknown[]> }>(
        'SELECT workflow_log_changes(workflow_log) AS changes FROM workflow_log WHERE workflow_instance_id = $1 ORDER BY workflow_log_id',
        [id],
      );
    expect(rows).toHaveLength(41);
    expect(await brokenCreations(app.app.get(DatabaseService))).toEqual([]);
    // Every change starts from where the one before left the instance.
    const now = new Map<string, unknown>();
    for (const [name, [before, after]] of rows.flatMap(({ changes }) => Object.entries(changes))) {
      expect(before).toEqual(now.get(name) ?? null);
      now.set(name, after);
    }
  });
});
