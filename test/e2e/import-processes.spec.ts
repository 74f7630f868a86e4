import { DatabaseService } from '../../src/platform/database/database.service.js';
import { type Answer, ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

const PATH = '/API/WorkflowImportQueue/ImportProcesses';

const process = (changes: Record<string, unknown> = {}) => ({
  name: 'Member import',
  target: {
    kind: 'workflow',
    workflow: 'grant-role',
    step: 'Import',
    action: 'Grant',
    onNoMatch: 'create',
    onMatch: 'update',
  },
  ...changes,
});

const mistakes = ({ body }: Answer): string[] =>
  body.errors.map(({ pointer, code }: { pointer: string; code: string }) => `${pointer} ${code}`);

describe('import processes', () => {
  let app: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    expect((await client.post('/API/Workflows', MEMBER_WORKFLOW)).status).toBe(201);
  });

  beforeEach(() =>
    emptyTables(app.app.get(DatabaseService), 'import_process, import_process_version, import_queue_batch'),
  );

  afterAll(() => app.close());

  const keyWith = async (permissions: string[], importProcessIds?: number[]): Promise<ImportClient> => {
    const { status, body } = await client.post('/API/ApiKeys', { name: 'k', permissions, importProcessIds });
    expect(status).toBe(201);
    return new ImportClient(app.url, body.key);
  };

  it('are created with defaults, and found where Location says', async () => {
    const created = await client.post(PATH, process());
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`${PATH}/${created.body.id}`);
    const read = await client.get(`${PATH}/${created.body.id}`);
    expect(read.body).toEqual(created.body);
    expect(read.body).toMatchObject({
      ...process(),
      version: 1,
      description: '',
      note: '',
      icon: '',
      displayOrder: 0,
      retentionDays: null,
      status: 'active',
      ordered: false,
      recordSchema: null,
    });
  });

  it('get a new version by PUT of an edited answer, and refuse an outdated one', async () => {
    const { body: created } = await client.post(PATH, process());
    const edited = await client.call('PUT', `${PATH}/${created.id}`, { body: { ...created, note: 'mine' } });
    expect([edited.status, edited.body.version, edited.body.note]).toEqual([200, 2, 'mine']);
    const late = await client.call('PUT', `${PATH}/${created.id}`, { body: { ...created, note: 'theirs' } });
    expect([late.status, late.body.code, late.body.currentVersion]).toEqual([409, 'version_conflict', 2]);
    const whatever = await client.call('PUT', `${PATH}/${created.id}`, {
      body: process({ name: 'Renamed' }),
    });
    expect([whatever.status, whatever.body.version, whatever.body.name]).toEqual([200, 3, 'Renamed']);
  });

  /** Break it: in `ImportProcessesService.replace`, leave out `assertMeets`. */
  it('are not replaced if If-Match names another version than the stored one', async () => {
    const created = await client.post(PATH, process());
    const path = `${PATH}/${created.body.id}`;
    expect([created.headers.get('etag'), (await client.get(path)).headers.get('etag')]).toEqual([
      '"1"',
      '"1"',
    ]);
    const body = process({ name: created.body.name });
    const put = () => client.call('PUT', path, { body, headers: { 'if-match': '"1"' } });
    const first = await put();
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"2"']);
    const late = await put();
    expect([late.status, late.body.code, late.headers.get('etag')]).toEqual([
      412,
      'precondition_failed',
      '"2"',
    ]);
  });

  it('keep a batch at the version it started with', async () => {
    const { body: created } = await client.post(PATH, process());
    const batch = await client.createBatch(jsonl([member(1)]), { importProcessId: created.id });
    await client.call('PUT', `${PATH}/${created.id}`, { body: process({ name: 'Other' }) });
    const ended = await client.ended(batch.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(ended).toMatchObject({ status: 'completed' });
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['no name', { name: undefined }, ['/name missing_value']],
    ['a name of two lines', { name: 'a\nb' }, ['/name invalid_value']],
    ['a name that is not storable', { name: 'a\u0000' }, ['/name invalid_value']],
    ['a note that is not storable', { note: 'a\u0000' }, ['/note invalid_value']],
    ['half a surrogate pair', { description: '\ud800' }, ['/description invalid_value']],
    ['null for a text', { description: null }, ['/description invalid_value']],
    ['an unknown member', { colour: 'red' }, ['/colour unknown_member']],
    ['a retention of no time', { retentionDays: -1 }, ['/retentionDays invalid_value']],
    ['a wrong order', { displayOrder: 1.5 }, ['/displayOrder invalid_value']],
    ['an unknown status', { status: 'on' }, ['/status invalid_value']],
    ['no target', { target: undefined }, ['/target missing_value']],
    ['a target that is not an object', { target: [] }, ['/target invalid_value']],
    ['a target without a kind', { target: {} }, ['/target/kind missing_value']],
    ['an unknown kind', { target: { kind: 'workflows' } }, ['/target/kind unknown_target_kind']],
    ['a schema that is not an object', { recordSchema: 'x' }, ['/recordSchema invalid_value']],
    [
      'several mistakes in target and schema',
      {
        target: { ...process().target, step: 'Imprt', onMatch: 'merge' },
        recordSchema: { properties: { Level: { pattern: '(?=a)' } }, $ref: 'https://example.org/x' },
      },
      [
        '/recordSchema/$ref invalid_schema',
        '/recordSchema/properties/Level/pattern invalid_schema',
        '/target/onMatch invalid_value',
        '/target/step unknown_step',
      ],
    ],
    [
      'an unknown workflow',
      { target: { ...process().target, workflow: 'a\u0000b' } },
      ['/target/workflow unknown_workflow'],
    ],
  ])('refuse %s with every mistake named, and store nothing', async (_, changes, expected) => {
    const answer = await client.post(PATH, process(changes));
    expect(answer.status).toBe(400);
    expect(mistakes(answer).sort()).toEqual(expected);
    expect((await client.get(PATH)).body.items).toEqual([]);
  });

  it('name the existing kinds of targets', async () => {
    const { body } = await client.post(PATH, process({ target: { kind: 'ftp' } }));
    expect(body.code).toBe('invalid_import_process');
    expect(body.errors[0].message).toContain('workflow');
  });

  it('keep a schema as it was sent, including order and odd names', async () => {
    const recordSchema = {
      type: 'object',
      properties: { zeta: true, constructor: { type: 'string' }, alpha: true, toString: false },
    };
    const { body } = await client.post(PATH, process({ recordSchema }));
    const read = await client.get(`${PATH}/${body.id}`);
    expect(JSON.stringify(read.body.recordSchema)).toBe(JSON.stringify(recordSchema));
  });

  it('refuse a schema that is nested too deeply, without an internal error', async () => {
    const deep = `${'{"not":'.repeat(50_000)}{}${'}'.repeat(50_000)}`;
    const body = JSON.stringify(process({ recordSchema: '' })).replace(
      '"recordSchema":""',
      `"recordSchema":${deep}`,
    );
    const answer = await client.post(PATH, body, { 'content-type': 'application/json' });
    expect([answer.status, mistakes(answer)]).toEqual([400, ['/recordSchema nesting_too_deep']]);
  });

  it('keep a name for one only', async () => {
    await client.post(PATH, process());
    const second = await client.post(PATH, process());
    expect([second.status, second.body.code]).toEqual([409, 'import_process_name_taken']);
  });

  it('are deleted while no batch uses them, and then only disabled', async () => {
    const { body: unused } = await client.post(PATH, process());
    expect((await client.call('DELETE', `${PATH}/${unused.id}`)).status).toBe(204);
    expect((await client.get(`${PATH}/${unused.id}`)).body.code).toBe('import_process_not_found');

    const { body: used } = await client.post(PATH, process());
    const { body: begun } = await client.createBatch(jsonl([member(1)]), { importProcessId: used.id });
    await client.ended(begun.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const refused = await client.call('DELETE', `${PATH}/${used.id}`);
    expect([refused.status, refused.body.code]).toEqual([409, 'import_process_in_use']);
    expect(refused.body.detail).toContain('disabled');

    await client.call('PUT', `${PATH}/${used.id}`, { body: { ...used, status: 'disabled' } });
    const batch = await client.createBatch(jsonl([member(2)]), { importProcessId: used.id });
    expect([batch.status, batch.body.code]).toEqual([409, 'import_process_disabled']);
  });

  it.each(['0', '-1', 'x', '1e3', '99999999999999999999'])('do not know the id %s', async (id) => {
    for (const path of [`${PATH}/${id}`, `${PATH}/${id}/Schema`, `${PATH}/${id}/Template`]) {
      const { status, body } = await client.get(path);
      expect([status, body.code]).toEqual([404, 'import_process_not_found']);
    }
  });

  it('have a JSON Schema that says what a row looks like', async () => {
    const { body: created } = await client.post(PATH, process());
    const { status, headers, body } = await client.get(`${PATH}/${created.id}/Schema`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/schema+json');
    expect(body.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(Object.keys(body.properties)).toEqual(expect.arrayContaining([':Email', 'First Name', 'Level']));
  });

  it('have templates whose example row is accepted', async () => {
    const { body: created } = await client.post(PATH, process());
    const csv = await client.get(`${PATH}/${created.id}/Template`);
    expect(csv.headers.get('content-disposition')).toContain('filename="Member import-template.csv"');
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.body.split('\r\n')[0]).toBe(
      ':UniqueId,:Email,First Name,Last Name,Date Of Birth,Hours,Level,Notes',
    );
    const template = await client.get(`${PATH}/${created.id}/Template?format=jsonl`);
    expect(template.headers.get('content-type')).toContain('application/jsonl');
    const batch = await client.createBatch(JSON.stringify(template.body), { importProcessId: created.id });
    expect(batch.body.recordCounts).toMatchObject({ total: 1, invalid: 0 });
    await client.ended(batch.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);

    const workbook = await client.get(`${PATH}/${created.id}/Template?format=xlsx`);
    expect(workbook.status).toBe(200);
    expect(String(workbook.body).startsWith('PK')).toBe(true);

    const wrong = await client.get(`${PATH}/${created.id}/Template?format=pdf`);
    expect([wrong.status, wrong.body.errors[0].parameter]).toEqual([400, 'format']);
  });

  it('that no longer fit their workflow refuse batches with the reason', async () => {
    const { body: created } = await client.post(PATH, process());
    const [step] = MEMBER_WORKFLOW.steps;
    const renamed = { ...MEMBER_WORKFLOW, steps: [{ ...step, name: 'Bulk' }] };
    expect((await client.call('PUT', '/API/Workflows/grant-role', { body: renamed })).status).toBe(200);
    const batch = await client.createBatch(jsonl([member(1)]), { importProcessId: created.id });
    expect([batch.status, batch.body.code]).toEqual([409, 'import_process_unusable']);
    expect(mistakes(batch)).toEqual(['/target/step unknown_step']);
    await client.call('PUT', '/API/Workflows/grant-role', { body: MEMBER_WORKFLOW });
  });

  describe('and permissions', () => {
    it('show users who only import the active ones, without internal members', async () => {
      const importer = await keyWith(['BeginWorkflowImportProcess']);
      await client.post(PATH, process({ note: 'secret', displayOrder: 2 }));
      await client.post(PATH, process({ name: 'Off', status: 'disabled' }));
      await client.post(PATH, process({ name: 'First', displayOrder: 1 }));
      const { items } = (await importer.get(PATH)).body;
      expect(items.map(({ name }: { name: string }) => name)).toEqual(['First', 'Member import']);
      expect(items[1]).not.toHaveProperty('note');
      expect(items[1]).not.toHaveProperty('target');
      const all = (await client.get(PATH)).body.items;
      expect(all.map(({ name }: { name: string }) => name)).toEqual(['Off', 'First', 'Member import']);
      expect((await client.get(`${PATH}?status=disabled`)).body.items).toHaveLength(1);
    });

    it('show a limited key only its import processes', async () => {
      const { body: mine } = await client.post(PATH, process());
      const { body: other } = await client.post(PATH, process({ name: 'Other' }));
      const restricted = await keyWith(['BeginWorkflowImportProcess'], [mine.id]);
      expect((await restricted.get(PATH)).body.items).toHaveLength(1);
      for (const path of ['/Schema', '/Template']) {
        expect((await restricted.get(`${PATH}/${mine.id}${path}`)).status).toBe(200);
        expect((await restricted.get(`${PATH}/${other.id}${path}`)).status).toBe(403);
      }
    });

    it('let those who only import read schema and template, and configure nothing', async () => {
      const importer = await keyWith(['BeginWorkflowImportProcess']);
      const { body: created } = await client.post(PATH, process());
      expect((await importer.get(`${PATH}/${created.id}/Schema`)).status).toBe(200);
      expect((await importer.get(`${PATH}/${created.id}/Template`)).status).toBe(200);
      expect((await importer.get(`${PATH}/${created.id}`)).status).toBe(403);
      expect((await importer.post(PATH, process())).status).toBe(403);
      expect((await importer.call('PUT', `${PATH}/${created.id}`, { body: process() })).status).toBe(403);
      expect((await importer.call('DELETE', `${PATH}/${created.id}`)).status).toBe(403);
      const viewer = await keyWith(['ViewImports']);
      expect((await viewer.get(PATH)).status).toBe(403);
    });
  });
});
