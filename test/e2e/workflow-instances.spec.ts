import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { FORGED_POSITIONS, sealed } from '../support/forged-cursors.js';
import { ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const WORKFLOW: WorkflowDefinition = {
  ...MEMBER_WORKFLOW,
  attributes: [
    ...MEMBER_WORKFLOW.attributes,
    { name: 'Areas', type: 'MultiSelectList', options: ['A;B', 'C'] },
  ],
};
const [IMPORT] = WORKFLOW.steps;
IMPORT!.actions[0]!.inputs.push('Areas');
const PATH = '/API/Workflows/grant-role/Instances';
const EXACT = '12345678901234567890.12345678901234567890';

describe('workflow instances', () => {
  let app: TestApp;
  let client: ImportClient;
  let processId: number;
  let lastBatch: number;

  const run = async (rows: unknown[]): Promise<number> => {
    const { body } = await client.createBatch(jsonl(rows), { importProcessId: processId });
    const ended = await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(ended.status).toBe('completed');
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const raw = async (path: string) => {
    const response = await fetch(app.url + path, {
      headers: { authorization: `apikey ${(client as unknown as { key: string }).key}` },
    });
    return { headers: response.headers, text: await response.text() };
  };
  const ids = (items: { id: number }[]) => items.map(({ id }) => id);

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    processId = await client.setUp(WORKFLOW);
    await run([1, 2, 3, 4, 5].map((n) => member(n, { 'Last Name': `Last, "${n}"`, Areas: ['A;B', 'C'] })));
    lastBatch = await run([member(2, { 'First Name': 'Changed', Notes: '=1+1' })]);
    // Values that no client can send are still answered unchanged: a number of forty digits, a completed instance.
    await app.app.get(DatabaseService).query(
      `UPDATE workflow_instance
          SET attributes = attributes || '{"Hours": ${EXACT}}', status = 'completed_successfully'
        WHERE attributes ->> ':UniqueId' = 'M-5'`,
    );
  });

  afterAll(() => app.close());

  it('are listed newest first, page by page, each once', async () => {
    const first = await client.get(`${PATH}?limit=2`);
    expect(first.headers.get('link')).toContain('rel="next"');
    const second = await client.get(`${PATH}?limit=2&after=${first.body.nextCursor}`);
    const third = await client.get(`${PATH}?limit=2&after=${second.body.nextCursor}`);
    const all = [first, second, third].flatMap(({ body }) => ids(body.items));
    expect(all).toEqual([...all].sort((a, b) => b - a));
    expect([new Set(all).size, third.body.nextCursor]).toEqual([5, null]);
    expect(first.body.items[1]).toMatchObject({
      workflow: 'grant-role',
      status: 'incomplete',
      step: null,
      attributes: { ':UniqueId': 'M-4', ':Email': 'person4@example.org', 'First Name': 'First 4' },
    });
  });

  it('are found by an identifier, in any case where the definition says so', async () => {
    const found = await client.get(`${PATH}?identifier=:Email:PERSON3@example.org`);
    expect(found.body.items.map((item: any) => item.attributes[':UniqueId'])).toEqual(['M-3']);
    expect((await client.get(`${PATH}?identifier=:UniqueId:m-3`)).body.items).toEqual([]);
    expect(
      (await client.get(`${PATH}?identifier=:UniqueId:M-3&status=completed_successfully`)).body.items,
    ).toEqual([]);
  });

  it('are found by status', async () => {
    const { body } = await client.get(`${PATH}?status=completed_successfully`);
    expect(body.items.map((item: any) => item.attributes[':UniqueId'])).toEqual(['M-5']);
  });

  it.each([
    ['First Name:First 3', ['M-3']],
    ['Level:Fellow', ['M-5', 'M-4', 'M-3', 'M-2', 'M-1']],
    ['Level:Associate', []],
    ['Notes:=1+1', ['M-2']],
    ['Notes:', ['M-5', 'M-4', 'M-3', 'M-1']],
    ['Areas:C', ['M-5', 'M-4', 'M-3', 'M-2', 'M-1']],
    ['Last Name:Last, "4"', ['M-4']],
  ])('are found by the attribute %s, in lists and exports', async (attribute, expected) => {
    const query = new URLSearchParams({ attribute }).toString();
    const { body } = await client.get(`${PATH}?${query}`);
    expect(body.items.map((item: any) => item.attributes[':UniqueId'])).toEqual(expected);
    const exported = (await raw(`${PATH}/Export?format=csv&${query}`)).text.match(/^M-\d/gm) ?? [];
    expect(exported).toEqual([...expected].reverse());
    expect((await client.get(`${PATH}?${query}&status=completed_unsuccessfully`)).body.items).toEqual([]);
  });

  it.each([
    ['attribute=Level', 'attribute', 'invalid_parameter'],
    ['attribute=Lvel:Fellow', 'attribute', 'invalid_parameter'],
    ['attribute=Hours:many', 'attribute', 'invalid_parameter'],
    ['attribute=Level:%00', 'attribute', 'invalid_parameter'],
    ['identifier=Email:x', 'identifier', 'invalid_parameter'],
    ['identifier=:Nobody:x', 'identifier', 'invalid_parameter'],
    ['identifier=:Email:%00', 'identifier', 'invalid_parameter'],
    ['status=done', 'status', 'invalid_parameter'],
    ['limit=0', 'limit', 'invalid_parameter'],
    ['after=x', 'after', 'invalid_cursor'],
    ['emial=x', 'emial', 'unknown_parameter'],
  ])('refuse the query %s', async (query, parameter, code) => {
    const { status, body } = await client.get(`${PATH}?${query}`);
    expect([status, body.errors[0].parameter, body.errors[0].code]).toEqual([400, parameter, code]);
  });

  /** Break it: in `decodeCursor`, leave out `isPosition`. */
  it.each([...FORGED_POSITIONS, '[9007199254740993]'])('refuse a cursor sealed over %s', async (text) => {
    const [{ id }] = (await client.get(`${PATH}?limit=1`)).body.items;
    for (const path of [
      `${PATH}?after=${sealed('Instances', text)}`,
      `${PATH}/${id}?after=${sealed('Log', text)}`,
    ]) {
      const { status, body } = await client.get(path);
      expect([path, status, body.code]).toEqual([path, 400, 'invalid_cursor']);
    }
  });

  it('keep every digit of a number', async () => {
    const { body } = await client.get(`${PATH}?identifier=:UniqueId:M-5`);
    const [{ id }] = body.items;
    expect((await raw(`${PATH}/${id}`)).text).toContain(EXACT);
    expect((await raw(`${PATH}?identifier=:UniqueId:M-5`)).text).toContain(EXACT);
    expect((await raw(`${PATH}/Export`)).text).toContain(EXACT);
    expect((await raw(`${PATH}/Export?format=csv`)).text).toContain(EXACT);
  });

  it('have a log of who changed what, from which batch and line, newest first', async () => {
    const [{ id }] = (await client.get(`${PATH}?identifier=:UniqueId:M-2`)).body.items;
    const { body } = await client.get(`${PATH}/${id}`);
    expect(body.attributes).toMatchObject({ 'First Name': 'Changed', 'Last Name': 'Last, "2"' });
    expect(body.log.items).toHaveLength(2);
    expect(body.log.items[0]).toMatchObject({
      batchId: lastBatch,
      line: 1,
      action: 'Grant',
      actor: expect.any(String),
      changes: { 'First Name': ['First 2', 'Changed'], Notes: [null, '=1+1'] },
    });
    const page = await client.get(`${PATH}/${id}?limit=1`);
    expect(page.body.log.items).toEqual([body.log.items[0]]);
    const rest = await client.get(`${PATH}/${id}?limit=1&after=${page.body.log.nextCursor}`);
    expect(rest.body.log).toEqual({ items: [body.log.items[1]], nextCursor: null });
  });

  it.each(['0', 'x', '999999', '99999999999999999999'])('do not know the id %s', async (id) => {
    const { status, body } = await client.get(`${PATH}/${id}`);
    expect([status, body.code]).toEqual([404, 'workflow_instance_not_found']);
  });

  it('are not found under another workflow', async () => {
    await client.post('/API/Workflows', { ...WORKFLOW, name: 'other' });
    const [{ id }] = (await client.get(`${PATH}?limit=1`)).body.items;
    expect((await client.get(`/API/Workflows/other/Instances/${id}`)).status).toBe(404);
    expect((await client.get('/API/Workflows/other/Instances')).body.items).toEqual([]);
  });

  it('are exported as JSON Lines, oldest first', async () => {
    const { headers, text } = await raw(`${PATH}/Export`);
    expect(headers.get('content-type')).toContain('application/jsonl');
    expect(headers.get('content-disposition')).toContain('filename="grant-role-instances.jsonl"');
    const instances = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(instances.map(({ attributes }) => attributes[':UniqueId'])).toEqual([
      'M-1',
      'M-2',
      'M-3',
      'M-4',
      'M-5',
    ]);
    expect((await raw(`${PATH}/Export?identifier=:UniqueId:M-1`)).text.trimEnd().split('\n')).toHaveLength(1);
  });

  it('are exported as CSV that can be imported again, with no formula in it', async () => {
    const { headers, text } = await raw(`${PATH}/Export?format=csv&identifier=:UniqueId:M-2`);
    expect(headers.get('content-type')).toContain('text/csv');
    const [header, line] = text.split('\r\n');
    expect(header).toBe(
      ':UniqueId,:Email,First Name,Last Name,Date Of Birth,Hours,Level,Notes,Areas,_id,_status,_step,_createdAt,_updatedAt',
    );
    expect(line).toContain(`M-2,person2@example.org,Changed,"Last, ""2""",,,Fellow,'=1+1,A\\;B;C,`);
  });

  it('are exported with columns that the definition no longer has', async () => {
    const attributes = WORKFLOW.attributes.filter(({ name }) => name !== 'Notes');
    const steps = [{ ...IMPORT!, actions: [{ ...IMPORT!.actions[0]!, inputs: ['First Name'] }] }];
    await client.call('PUT', '/API/Workflows/grant-role', { body: { ...WORKFLOW, attributes, steps } });
    const { text } = await raw(`${PATH}/Export?format=csv`);
    expect(text.split('\r\n')[0]).toContain('Level,Areas,Notes,_id');
    await client.call('PUT', '/API/Workflows/grant-role', { body: WORKFLOW });
  });

  it('are exported completely over many pages', async () => {
    await client.post('/API/Workflows', { ...WORKFLOW, name: 'many' });
    await app.app.get(DatabaseService).query(
      `INSERT INTO workflow_instance (workflow_id, status, attributes)
       SELECT workflow_id, 'incomplete', jsonb_build_object('n', n, 'Notes', repeat(md5(n::text), 400))
         FROM workflow, generate_series(1, 3000) n WHERE name = 'many'`,
    );
    const { text } = await raw('/API/Workflows/many/Instances/Export');
    const numbers = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).attributes.n);
    expect(numbers).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
  });

  it('are visible to users who may view, and to keys limited to import processes of that workflow', async () => {
    const keyWith = async (permissions: string[], importProcessIds?: number[]) => {
      const { body } = await client.post('/API/ApiKeys', { name: 'k', permissions, importProcessIds });
      return new ImportClient(app.url, body.key);
    };
    await client.post('/API/Workflows', { ...WORKFLOW, name: 'foreign' });
    expect((await (await keyWith(['ViewImports'])).get(PATH)).status).toBe(200);
    expect((await (await keyWith(['BeginWorkflowImportProcess'])).get(PATH)).status).toBe(403);
    const restricted = await keyWith(['ViewImports'], [processId]);
    expect((await restricted.get(PATH)).status).toBe(200);
    for (const path of ['', '/1', '/Export']) {
      const { status, body } = await restricted.get(`/API/Workflows/foreign/Instances${path}`);
      expect([status, body.code]).toEqual([403, 'workflow_not_allowed']);
    }
  });
});
