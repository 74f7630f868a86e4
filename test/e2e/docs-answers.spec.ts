import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { eventually } from '../support/eventually.js';
import { Client } from 'pg';
import { type Answer, ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const QUEUE = '/API/WorkflowImportQueue';
const BATCHES = `${QUEUE}/Batches`;
const PROCESSES = `${QUEUE}/ImportProcesses`;
const WORKFLOWS = '/API/Workflows';
const CSV =
  ':UniqueId,:Email,First Name,Colour\nM-8,eight@example.org,Eight,red\nM-9,nine@example.org,,red\nM-10,ten,Ten,red\n';
const HEADERS = ['location', 'link', 'idempotency-replayed', 'retry-after', 'accept-post'];

/** A schema that admits only the members it names, so that an answer has no undocumented one. */
function closed(schema: any): any {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const open = 'properties' in schema && !('additionalProperties' in schema);
  return open ? { ...copy, additionalProperties: false } : copy;
}

/**
 * Every answer of every route is as the docs say. Break it: add a member to a resource, or leave one out; in
 * `openApiDocument`, leave out one of the ANSWERS; leave out `schema` or `headers` of a route.
 */
describe('the API docs describe', () => {
  let app: TestApp;
  /** Its batches stay queued forever. */
  let idle: TestApp;
  let client: ImportClient;
  let description: any;
  let processId: number;
  let batchId: number;
  let ajv: Ajv2020;
  const seen = new Set<string>();

  beforeAll(async () => {
    app = await startTestApp({ TARGET_MAIN_SCHEMAS: 'crm', ALLOW_PRIVATE_TARGETS: 'true' });
    idle = await startTestApp({ ROLE: 'api' });
    client = new ImportClient(app.url);
    description = await (await fetch(`${app.url}/docs/openapi.json`)).json();
    ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    ajv.addSchema(closed(description), 'openapi');
  });

  afterAll(async () => {
    await app?.close();
    await idle?.close();
  });

  /** Holds the answer against what the docs say of the route and status. */
  const described = (method: string, template: string, answer: Answer, status: number): any => {
    const route = `${method} ${template}`;
    expect([route, answer.status, answer.body]).toEqual([route, status, answer.body]);
    const { responses } = description.paths[template][method.toLowerCase()];
    const key = status in responses ? String(status) : 'default';
    expect([route, key === 'default' && status < 400]).toEqual([route, false]);
    const { content, headers = {} } = responses[key];
    const sent = answer.headers.get('content-type') ?? '';
    const type = Object.keys(content).find((each) => sent.replace('; charset=utf-8', '').startsWith(each));
    expect([route, sent, type]).toEqual([route, sent, expect.any(String)]);
    const path = ['paths', template, method.toLowerCase(), 'responses', key, 'content', type!, 'schema'];
    const pointer = path.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')));
    const validate = ajv.compile({ $ref: `openapi#/${pointer.join('/')}` });
    validate(/json$/.test(type!) ? answer.body : String(answer.body));
    expect([route, status, validate.errors, answer.body]).toEqual([route, status, null, answer.body]);

    const names = new Map(Object.entries<any>(headers).map(([name, header]) => [name.toLowerCase(), header]));
    for (const [name, { required }] of names) {
      if (required === true) expect([route, name, answer.headers.has(name)]).toEqual([route, name, true]);
    }
    for (const name of HEADERS.filter((each) => answer.headers.has(each))) {
      expect([route, status, ...names.keys()]).toContain(name);
    }
    if (status < 300) seen.add(route);
    return answer.body;
  };
  /** @param path the template, with its `{id}` and so on filled in, and a query */
  const call = async (
    method: string,
    template: string,
    path: string,
    status = 200,
    body?: unknown,
    by = client,
  ): Promise<any> => described(method, template, await by.call(method, path, { body }), status);

  it('probes and figures', async () => {
    await call('GET', '/health/live', '/health/live');
    await call('GET', '/health/ready', '/health/ready');
    await call('GET', '/metrics', '/metrics');
  });

  it('workflows', async () => {
    const [step] = MEMBER_WORKFLOW.steps;
    const [action] = step!.actions;
    const workflow = {
      ...MEMBER_WORKFLOW,
      steps: [
        {
          ...step,
          actions: [
            {
              ...action,
              behaviors: [{ kind: 'sendEmail', to: ':Email', subject: 'Hello', template: '{{First Name}}' }],
            },
          ],
        },
      ],
    };
    await call('POST', WORKFLOWS, WORKFLOWS, 201, workflow);
    await call('POST', WORKFLOWS, WORKFLOWS, 409, workflow);
    await call('PUT', `${WORKFLOWS}/{name}`, `${WORKFLOWS}/grant-role`, 200, workflow);
    await call('GET', `${WORKFLOWS}/{name}`, `${WORKFLOWS}/grant-role`);
    await call('GET', WORKFLOWS, WORKFLOWS);
  });

  it('import processes', async () => {
    const process = {
      name: 'Members',
      target: {
        kind: 'workflow',
        workflow: 'grant-role',
        step: 'Import',
        action: 'Grant',
        onNoMatch: 'create',
        onMatch: 'update',
      },
    };
    processId = (await call('POST', PROCESSES, PROCESSES, 201, process)).id;
    const path = `${PROCESSES}/${processId}`;
    await call('GET', `${PROCESSES}/{id}`, path);
    await call('PUT', `${PROCESSES}/{id}`, path, 200, { ...process, recordSchema: { type: 'object' } });
    await call('GET', PROCESSES, PROCESSES);
    await call('GET', `${PROCESSES}/{id}/Schema`, `${path}/Schema`);
    await call('GET', `${PROCESSES}/{id}/Template`, `${path}/Template?format=csv`);
    await call('GET', `${PROCESSES}/{id}/Template`, `${path}/Template?format=jsonl`);
    await call('GET', `${PROCESSES}/{id}`, `${PROCESSES}/999999`, 404);

    const [all, one] = [`${PROCESSES}/{id}/Mappings`, `${PROCESSES}/{id}/Mappings/{name}`];
    const level = { field: 'Level', values: { F: 'Fellow' } };
    const mapping = { name: 'Colours', columns: { Nr: ':UniqueId', Colour: level, Note: null } };
    await call('POST', all, `${path}/Mappings`, 201, mapping);
    await call('POST', all, `${path}/Mappings`, 409, mapping);
    await call('POST', all, `${path}/Mappings`, 400, { ...mapping, columns: { Nr: ':Unique' } });
    await call('GET', all, `${path}/Mappings`);
    await call('GET', one, `${path}/Mappings/Colours`);
    await call('PUT', one, `${path}/Mappings/Colours`, 200, mapping);
    await call('PUT', one, `${path}/Mappings/Colors`, 404, mapping);
    await call('DELETE', one, `${path}/Mappings/Colors`, 404);

    const fromFile = `${PROCESSES}/FromFile`;
    for (const [query, status] of [
      ['', 200],
      ['?create=true', 202],
      ['?headerRow=0', 400],
    ] as const) {
      const form = new FormData();
      form.set('file', new Blob(['id,Name\n1,Ada\n2,Grace\n']), 'people.csv');
      await call('POST', fromFile, `${fromFile}${query}`, status, form);
    }
  });

  it('webhook endpoints and their deliveries', async () => {
    const endpoints = '/API/WebhookEndpoints';
    const one = `${endpoints}/{id}`;
    const asked = { url: 'https://hooks.invalid/imports', events: ['batch.completed'] };
    const { id } = await call('POST', endpoints, endpoints, 201, asked);
    const self = `${endpoints}/${id}`;
    await call('GET', endpoints, endpoints);
    await call('GET', one, self);
    await call('PUT', one, self, 200, { ...asked, importProcessIds: [processId], format: 'slack' });
    await call('POST', `${one}/RotateSecret`, `${self}/RotateSecret`);
    const delivery = await call('POST', `${one}/Test`, `${self}/Test`, 202);
    const logged = await eventually(async () => {
      const { items } = await call('GET', `${one}/Deliveries`, `${self}/Deliveries`);
      return items[0].log.length > 0 ? items[0] : null;
    }, 'an attempt');
    expect(logged).toMatchObject({ id: delivery.id, log: [{ attempt: 1, answer: null }] });
    const resend = `${self}/Deliveries/${delivery.id}/Resend`;
    await call('POST', `${one}/Deliveries/{n}/Resend`, resend, 202);
    const since = '?failedSince=2026-01-01T00:00:00Z';
    await call('POST', `${one}/Deliveries/Resend`, `${self}/Deliveries/Resend${since}`, 202);
    await call('PUT', one, self, 200, { ...asked, status: 'disabled' });
    await call('POST', `${one}/Test`, `${self}/Test`, 409);
    expect((await client.call('DELETE', self)).status).toBe(204);
    await call('GET', one, self, 404);
  });

  it('API keys, and what a key that may only import sees', async () => {
    const permissions = ['BeginWorkflowImportProcess'];
    const asked = { name: 'Importer', permissions, importProcessIds: [processId], readOwnImports: false };
    const { key } = await call('POST', '/API/ApiKeys', '/API/ApiKeys', 201, asked);
    await call('GET', '/API/ApiKeys', '/API/ApiKeys');
    await call('POST', '/API/ApiKeys', '/API/ApiKeys', 400, { name: '' });
    const importer = new ImportClient(app.url, key);
    const { items } = await call('GET', PROCESSES, PROCESSES, 200, undefined, importer);
    expect(items).toEqual([expect.not.objectContaining({ target: expect.anything() })]);
    await call('GET', BATCHES, BATCHES, 403, undefined, importer);
  });

  it('the audit log', async () => {
    await call('GET', '/API/Audit', '/API/Audit?limit=1');
    await call('GET', '/API/Audit', '/API/Audit?format=jsonl');
    await call('GET', '/API/Audit', '/API/Audit?from=today', 400);
  });

  it('people', async () => {
    const identifier = { name: ':Email', value: 'person1@example.org' };
    await call('GET', '/API/People', '/API/People?identifier=:Email:person1@example.org');
    await call('GET', '/API/People', '/API/People', 400);
    await call('POST', '/API/People/Erase', '/API/People/Erase', 200, {
      identifier,
      mode: 'erase',
      dryRun: true,
    });
    await call('POST', '/API/People/Erase', '/API/People/Erase', 400, { identifier });
  });

  it('batches', async () => {
    const send = (rows: unknown[], headers: Record<string, string> = {}) =>
      client.createBatch(
        jsonl(rows),
        { importProcessId: processId, sendFailureEmailTo: 'a@example.org' },
        { 'content-type': 'application/jsonl', 'idempotency-key': 'k', ...headers },
      );
    const rows = [member(1), { ...member(2), 'First Name': '' }, member(3)];
    const create = ['POST', `${QUEUE}/CreateBatch`] as const;
    batchId = described(...create, await send(rows), 202).WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    described(...create, await send(rows), 202);
    described(...create, await send([member(4)]), 422);
    described(...create, await send(rows, { 'content-type': 'text/csv' }), 415);
    described(...create, await send(rows, { 'content-encoding': 'gzip' }), 400);
    await client.ended(batchId);
    const path = `${BATCHES}/${batchId}`;
    const events = await call('GET', `${BATCHES}/{id}/Events`, `${path}/Events`);
    expect(events).toContain('event: status');
    await call('POST', `${BATCHES}/{id}/RetryFailed`, `${path}/RetryFailed`, 202);
    await call('GET', `${BATCHES}/{id}`, path);
    const fixed = { lines: { 2: { 'First Name': 'Second' } } };
    await call('POST', `${BATCHES}/{id}/Fix`, `${path}/Fix`, 202, fixed);
    await call('POST', `${BATCHES}/{id}/Fix`, `${path}/Fix`, 400, { lines: { 1: {} } });
    await call('GET', BATCHES, `${BATCHES}?limit=1`);
    await call('GET', BATCHES, `${BATCHES}?limti=1`, 400);
    await call('GET', `${BATCHES}/{id}/Records`, `${path}/Records?limit=2`);
    await call('GET', `${BATCHES}/{id}/ErrorGroups`, `${path}/ErrorGroups`);
    await call('GET', `${BATCHES}/{id}/Results`, `${path}/Results?format=csv`);
    await call('GET', `${BATCHES}/{id}/Results`, `${path}/Results?format=jsonl`);
    const mails = await call('GET', `${BATCHES}/{id}/Notifications`, `${path}/Notifications`);
    expect(mails.items).toHaveLength(1);
    await call('POST', `${BATCHES}/{id}/Cancel`, `${path}/Cancel`, 409);
  });

  it('uploads', async () => {
    const query = { importProcessId: processId, emptyCells: 'clear' };
    const upload = async (file: string) =>
      described('POST', `${QUEUE}/Uploads`, await client.upload(file, query), 202);
    const act = (action: string, path: string) =>
      call('POST', `${BATCHES}/{id}/${action}`, `${path}/${action}`, 202);
    const first = await upload(CSV);
    // All that a summary can have.
    expect(first.summary).toMatchObject({
      operations: { create: 1 },
      errorGroups: [{}, {}],
      columns: { unknown: [{ header: 'Colour' }] },
    });
    await call('GET', `${BATCHES}/{id}/Preview`, `${first.links.self}/Preview`);
    await act('Abandon', first.links.self);
    await act('Delete', first.links.self);
    await call('GET', `${BATCHES}/{id}/Preview`, `${first.links.self}/Preview`, 410);
    // Nobody is two people: that row will be rejected.
    const rows = [member(1), member(30), { ...member(1), ':Email': member(3)[':Email'] }];
    const second = await upload(jsonl(rows));
    const preview = `${second.links.self}/Preview`;
    const { items } = await call('GET', `${BATCHES}/{id}/Preview`, preview);
    expect(items[2].error).toEqual(expect.objectContaining({ code: 'ambiguous_match' }));
    await call('GET', `${BATCHES}/{id}/Preview`, `${preview}?limit=2`);
    const mapped = await upload('Nr,Colour\nM-1,F\n');
    expect(mapped.understood).toMatchObject({ savedMapping: 'Colours', columns: [{}, { recipe: {} }] });
    await act('Abandon', mapped.links.self);
    await act('Read', second.links.self);
    await act('Confirm', second.links.self);
    await client.ended(second.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const undoPreview = `${second.links.self}/UndoPreview`;
    const reverts = await call('GET', `${BATCHES}/{id}/UndoPreview`, undoPreview);
    expect(reverts.items.map(({ operation }: any) => operation)).toEqual(['reverted']);
    const undo = await act('Undo', second.links.self);
    await call('GET', `${BATCHES}/{id}/UndoPreview`, undoPreview, 409);
    await call('POST', `${BATCHES}/{id}/Undo`, `${second.links.self}/Undo`, 409);
    await client.ended(undo.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const undone = await call('GET', `${BATCHES}/{id}`, undo.links.self);
    expect(undone.operations).toMatchObject({ reverted: 1, kept: 0 });
    await call('GET', `${BATCHES}/{id}/Records`, undo.links.records);
  });

  it('the resolution of unknown records', async () => {
    const receiver = createServer((request, response) => {
      request.resume();
      response.writeHead(500).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
      const target = { kind: 'http', url, idempotent: false };
      const { id } = await call('POST', PROCESSES, PROCESSES, 201, { name: 'Deliver once', target });
      const { body } = await client.createBatch(jsonl([{ n: 1 }]), { importProcessId: id });
      await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      const path = `${body.links.self}/Resolve`;
      const template = `${BATCHES}/{id}/Resolve`;
      await call('POST', template, path, 400, { outcome: 'perhaps' });
      const resolved = await call('POST', template, path, 202, { outcome: 'delivered' });
      expect(resolved.recordCounts).toMatchObject({ succeeded: 1, unknown: 0 });
      await call('POST', template, path, 409, { outcome: 'delivered' });
    } finally {
      receiver.closeAllConnections();
      receiver.close();
    }
  });

  it('actions on batches that wait', async () => {
    const other = new ImportClient(idle.url);
    const importProcessId = await other.setUp();
    const { body } = await other.createBatch(jsonl([member(1)]), { importProcessId });
    for (const action of ['Pause', 'Resume', 'Cancel']) {
      const path = `${body.links.self}/${action}`;
      await call('POST', `${BATCHES}/{id}/${action}`, path, 202, undefined, other);
    }
  });

  it('instances', async () => {
    const template = `${WORKFLOWS}/{name}/Instances`;
    const path = `${WORKFLOWS}/grant-role/Instances`;
    const { items } = await call('GET', template, `${path}?limit=1&attribute=First%20Name:First%201`);
    const one = `${path}/${items[0].id}`;
    const perform = `${template}/{id}/Actions/{action}`;
    const change = { 'First Name': 'First 1', Level: 'Associate' };
    await call('POST', perform, `${one}/Actions/Grant`, 200, change);
    await call('POST', perform, `${one}/Actions/Grant`, 200, change);
    await call('POST', perform, `${one}/Actions/Grant`, 400, { ...change, Level: 'Knight' });
    const { behaviors } = await call('GET', `${template}/{id}`, `${one}?limit=1`);
    const resend = `${template}/{id}/Behaviors/{behaviorId}/Resend`;
    await call('POST', resend, `${one}/Behaviors/${behaviors.items[0].id}/Resend`, 202);
    await call('GET', `${template}/Export`, `${path}/Export?format=csv`);
    await call('GET', `${template}/Export`, `${path}/Export?format=jsonl`);
    await call('GET', template, `${path}?limit=1`);
  });

  it('connections and tables', async () => {
    const sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    await sql.query('CREATE SCHEMA crm; CREATE TABLE crm.contact (email text PRIMARY KEY, born date)');
    await sql.end();
    const path = '/API/WorkflowImportQueue/Connections';
    await call('GET', path, path);
    await call('GET', `${path}/{name}/Tables`, `${path}/main/Tables`);
    await call('GET', `${path}/{name}/Tables`, `${path}/erp/Tables`, 404);
    await call('GET', `${path}/{name}/Tables/{schema}/{table}`, `${path}/main/Tables/crm/contact`);
    await call('GET', `${path}/{name}/Tables/{schema}/{table}`, `${path}/main/Tables/public/app_user`, 404);
  });

  it('uploads in several requests', async () => {
    const parts = `/API/WorkflowImportQueue/Uploads/Parts`;
    const begin = (route: string, body: unknown) =>
      client.call('POST', `/API/WorkflowImportQueue/${route}?fileName=a.jsonl&importProcessId=${processId}`, {
        body,
        headers: {
          'upload-complete': '?0',
          ...(route === 'Uploads' ? { 'content-type': 'multipart/form-data; boundary=b' } : {}),
        },
      });
    const form = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{}\r\n--b--\r\n';
    for (const [route, body] of [
      ['CreateBatch', '{}\n'],
      ['Uploads', form],
    ] as const) {
      const begun = await begin(route, body);
      const completed = await client.call('PATCH', begun.headers.get('location')!, {
        body: '',
        headers: {
          'content-type': 'application/partial-upload',
          'upload-offset': String(body.length),
          'upload-complete': '?1',
        },
      });
      described('PATCH', `${parts}/{token}`, completed, 202);
    }
  });

  it('every operation', () => {
    const answering = Object.entries<any>(description.paths).flatMap(([path, item]) =>
      Object.entries<any>(item)
        .filter(([, { responses }]) =>
          Object.keys(responses).some((status) => /^2/.test(status) && status !== '204'),
        )
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect([...seen].sort()).toEqual(answering.sort());
  });
});
