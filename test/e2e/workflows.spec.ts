import { type Answer, ImportClient, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PATH = '/API/Workflows';
const named = (name: string, changes: Record<string, unknown> = {}) => ({
  ...MEMBER_WORKFLOW,
  name,
  ...changes,
});

describe('workflow definitions', () => {
  let app: TestApp;
  let client: ImportClient;
  let count = 0;
  const fresh = () => `workflow-${++count}`;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
  });

  afterAll(() => app.close());

  const put = (name: string, body: unknown): Promise<Answer> =>
    client.call('PUT', `${PATH}/${name}`, { body });

  it('are created, and found where Location says', async () => {
    const name = fresh();
    const created = await client.post(PATH, named(name));
    expect([created.status, created.headers.get('location')]).toEqual([201, `${PATH}/${name}`]);
    const read = await client.get(`${PATH}/${name}`);
    expect(read.body).toEqual({ ...named(name), version: 1 });
  });

  it('are listed by name, with their current version', async () => {
    const name = fresh();
    await client.post(PATH, named(name));
    await put(name, named(name, { title: 'Second' }));
    const { body } = await client.get(PATH);
    expect(body.items).toContainEqual({ name, title: 'Second', entityType: 'MemberRole', version: 2 });
    const names = body.items.map((item: { name: string }) => item.name);
    expect(names).toEqual([...names].sort());
  });

  /** Break it: in `WorkflowDefinitionsService.replace`, leave out `assertMeets`. */
  it('are not replaced if If-Match names another version than the stored one', async () => {
    const name = fresh();
    expect((await client.post(PATH, named(name))).headers.get('etag')).toBe('"1"');
    const withMatch = (ifMatch: string) =>
      client.call('PUT', `${PATH}/${name}`, { body: named(name), headers: { 'if-match': ifMatch } });
    const second = await withMatch('"1"');
    expect([second.status, second.headers.get('etag')]).toEqual([200, '"2"']);
    const late = await withMatch('"1"');
    expect([late.status, late.body.code, late.body.currentVersion]).toEqual([412, 'precondition_failed', 2]);
    const read = await client.get(`${PATH}/${name}`);
    expect([read.body.version, read.headers.get('etag')]).toEqual([2, '"2"']);
    expect((await withMatch('*')).status).toBe(200);
  });

  it('become two versions if two are put simultaneously', async () => {
    const name = fresh();
    await client.post(PATH, named(name));
    const answers = await Promise.all([put(name, named(name)), put(name, named(name))]);
    expect(answers.map(({ status, body }) => [status, body.version]).sort()).toEqual([
      [200, 2],
      [200, 3],
    ]);
  });

  /** Break it: in `WorkflowDefinitionsService.replace`, do not ask for `identifiersComparedOtherwise`. */
  it('keep how an identifier is compared once instances are found by it', async () => {
    const name = fresh();
    const definition = named(name);
    const [id, email] = MEMBER_WORKFLOW.identifiers;
    const exact = named(name, { identifiers: [id, { ...email, caseInsensitive: false }] });
    const shared = named(name, { identifiers: [id, { ...email, unique: false }] });
    const importProcessId = await client.setUp(definition);
    expect((await put(name, exact)).status).toBe(200);
    expect((await put(name, definition)).status).toBe(200);
    const { body } = await client.createBatch('{":Email":"Ada@Example.org","First Name":"Ada"}', {
      importProcessId,
    });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    for (const changed of [exact, shared]) {
      const refused = await put(name, changed);
      expect([refused.status, refused.body.code]).toEqual([409, 'identifier_in_use']);
      expect(refused.body.detail).toContain('":Email"');
    }
    // Not by leaving it out in between either; and what nothing is found by may change.
    expect((await put(name, named(name, { identifiers: [id] }))).status).toBe(200);
    expect((await put(name, exact)).status).toBe(409);
    const other = { ...id, unique: false };
    expect((await put(name, named(name, { identifiers: [other, email] }))).status).toBe(200);
  });

  it('can be edited and sent back, and refuse an outdated edit', async () => {
    const name = fresh();
    const { body: created } = await client.post(PATH, named(name));
    expect((await put(name, { ...created, title: 'Mine' })).body).toMatchObject({
      title: 'Mine',
      version: 2,
    });
    const late = await put(name, { ...created, title: 'Theirs' });
    expect([late.status, late.body.code, late.body.currentVersion]).toEqual([409, 'version_conflict', 2]);
  });

  it('keep their name', async () => {
    const name = fresh();
    await client.post(PATH, named(name));
    const answer = await put(name, named('other'));
    expect([answer.status, answer.body.errors]).toEqual([
      400,
      [expect.objectContaining({ pointer: '/name', code: 'name_changed' })],
    ]);
    const taken = await client.post(PATH, named(name));
    expect([taken.status, taken.body.code]).toEqual([409, 'workflow_name_taken']);
  });

  it('are refused with every mistake named, and nothing is stored', async () => {
    const name = fresh();
    const answer = await client.post(PATH, {
      ...named(name),
      atributes: [],
      identifiers: [{ name: ':WorkflowActionId', unique: true }],
      steps: [
        {
          name: 'Import',
          kind: 'dataImport',
          actions: [
            {
              id: 1,
              name: 'A',
              inputs: ['Nmae'],
              primary: { kind: 'moveToStep' },
              behaviors: [{ kind: 'webhook' }],
            },
          ],
        },
      ],
    });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect([answer.status, answer.body.code, answer.body.errorCount]).toEqual([400, 'invalid_definition', 5]);
    const mistakes = answer.body.errors.map(
      (each: { pointer: string; code: string }) => `${each.pointer} ${each.code}`,
    );
    expect(mistakes.sort()).toEqual([
      '/atributes unknown_member',
      '/identifiers/0/name reserved_name',
      '/steps/0/actions/0/behaviors/0/url required',
      '/steps/0/actions/0/inputs/0 unknown_attribute',
      '/steps/0/actions/0/primary/step required',
    ]);
    expect((await client.get(`${PATH}/${name}`)).body.code).toBe('workflow_not_found');
  });

  it.each(['nothing', '%00', 'a%2Fb', encodeURIComponent('等级')])(
    'do not know the name %s',
    async (name) => {
      const { status, body } = await client.get(`${PATH}/${name}`);
      expect([status, body.code]).toEqual([404, 'workflow_not_found']);
      const instances = await client.get(`${PATH}/${name}/Instances`);
      expect([instances.status, instances.body.code]).toEqual([404, 'workflow_not_found']);
    },
  );

  it('need the permission to configure', async () => {
    const { body } = await client.post('/API/ApiKeys', {
      name: 'k',
      permissions: ['ViewImports', 'ManageImports'],
    });
    const viewer = new ImportClient(app.url, body.key);
    expect((await viewer.get(PATH)).status).toBe(403);
    expect((await viewer.post(PATH, named(fresh()))).status).toBe(403);
    expect((await viewer.get(`${PATH}/x`)).status).toBe(403);
    expect((await viewer.call('PUT', `${PATH}/x`, { body: named('x') })).status).toBe(403);
  });
});
