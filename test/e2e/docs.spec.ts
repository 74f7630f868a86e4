import { runInNewContext } from 'node:vm';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the API docs', () => {
  let app: TestApp;
  let description: any;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    description = await (await fetch(`${app.url}/docs/openapi.json`)).json();
  });

  afterAll(() => app?.close());

  const operations = (): [string, any][] =>
    Object.entries<any>(description.paths).flatMap(([path, item]) =>
      Object.entries<any>(item).map(([method, operation]): [string, any] => [`${method} ${path}`, operation]),
    );

  it('are OpenAPI 3.1', () => {
    expect(description.openapi).toMatch(/^3\.1\./);
    expect(JSON.stringify(description)).not.toContain('"nullable"');
  });

  it('state that keys are bearer tokens', () => {
    expect(description.components.securitySchemes).toEqual({
      apiKey: { type: 'http', scheme: 'bearer', description: expect.stringContaining('apikey <key>') },
    });
    expect(description.security).toEqual([{ apiKey: [] }]);
  });

  it('name the server, and say what each tag is about', () => {
    expect(description.servers).toEqual([{ url: '/' }]);
    const described = new Map(description.tags.map(({ name, description: text }: any) => [name, text]));
    expect(description.tags[0].name).toBe('Import queue');
    for (const [name, { tags }] of operations()) {
      expect([name, tags.length, described.get(tags[0])]).toEqual([name, 1, expect.stringMatching(/\.$/)]);
    }
  });

  it('give each operation an id that generated clients can use as a name', () => {
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z]+([A-Z][a-z]+)+$/);
    // A client that was generated once calls them for ever.
    for (const id of [
      'createBatch',
      'uploadFile',
      'listBatches',
      'getBatch',
      'cancelBatch',
      'confirmBatch',
      'listRecords',
    ]) {
      expect(ids).toContain(id);
    }
    for (const id of [
      'downloadResults',
      'followBatch',
      'listImportProcesses',
      'createWorkflow',
      'createApiKey',
    ]) {
      expect(ids).toContain(id);
    }
  });

  it('offer no optional parameter with a value', () => {
    const offered = operations().flatMap(([name, { parameters = [] }]) =>
      parameters
        .filter(
          ({ required, example, schema }: any) =>
            required !== true && (example ?? schema?.example) !== undefined,
        )
        .map((parameter: any) => `${name} ${parameter.name}`),
    );
    expect(offered).toEqual([]);
  });

  it('have a version 3.2, which describes the items of streams', async () => {
    const newer: any = await (await fetch(`${app.url}/docs/openapi-3.2.json`)).json();
    expect(newer.openapi).toBe('3.2.0');
    const queue = newer.paths['/API/WorkflowImportQueue/CreateBatch'].post;
    expect(queue.requestBody.content['application/x-ndjson'].itemSchema).toMatchObject({ type: 'object' });
    const batch = newer.paths['/API/WorkflowImportQueue/Batches/{id}/Events'].get.responses['200'].content;
    expect(batch['text/event-stream'].itemSchema.properties.event.enum).toEqual(['progress', 'status']);
    const results = newer.paths['/API/WorkflowImportQueue/Batches/{id}/Results'].get.responses['200'].content;
    expect(results['application/jsonl'].itemSchema.required).toContain('record');
    expect(JSON.stringify(description)).not.toContain('itemSchema');
    expect(Object.keys(newer.paths)).toEqual(Object.keys(description.paths));
  });

  it('ask for no key where none is needed', () => {
    expect(description.paths['/health/ready'].get.security).toEqual([]);
  });

  it('accept several lines as the body of CreateBatch, in an accepted type', () => {
    const { post } = description.paths['/API/WorkflowImportQueue/CreateBatch'];
    // Swagger UI and generated clients take the first type. They send text unchanged, and JSON as one quoted string.
    const { 'text/plain': text, 'application/x-ndjson': stream, ...others } = post.requestBody.content;
    expect(Object.keys(post.requestBody.content)[0]).toBe('text/plain');
    expect(others).toEqual({});
    expect(text.schema.type).toBe('string');
    expect(text.schema.format).toBeUndefined();
    expect(stream.schema).toMatchObject({ type: 'string', format: 'binary' });
    expect(text.schema.example.split('\n').length).toBeGreaterThan(1);
    const names = (required: boolean) =>
      post.parameters
        .filter((parameter: any) => (parameter.required ?? false) === required)
        .map(({ name }: any) => name)
        .sort();
    expect(names(true)).toEqual(['fileName', 'importProcessId']);
    expect(names(false)).toEqual([
      'Idempotency-Key',
      'canary',
      'creationPath',
      'expiresAt',
      'maxFailed',
      'maxFailedPercent',
      'muteBehaviors',
      'notBefore',
      'priority',
      'sendFailureEmailTo',
      'sendSuccessEmailTo',
      'validate',
    ]);
  });

  /**
   * That they are right is for docs-answers.spec.ts. Break it: leave out `schema` of a route; in a controller, leave out
   * `ApiProduces`.
   */
  it('describe the media type and the schema of each answer with a body', () => {
    const types = new Map<string, string[]>();
    for (const [name, { responses }] of operations()) {
      for (const [status, { content }] of Object.entries<any>(responses)) {
        if (!status.startsWith('2') || status === '204') continue;
        types.set(name, Object.keys(content ?? {}));
        for (const { schema } of Object.values<any>(content ?? {}))
          expect(Object.keys(schema)).not.toEqual([]);
      }
    }
    const others = [...types].filter(([, each]) => each.join() !== 'application/json');
    const workbook = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
    expect(Object.fromEntries(others)).toEqual({
      'get /API/Audit': ['application/jsonl', 'application/json'],
      'get /API/WorkflowImportQueue/Batches/{id}/Events': ['text/event-stream'],
      'get /API/WorkflowImportQueue/Batches/{id}/Results': ['application/jsonl', 'text/csv', workbook],
      'get /API/WorkflowImportQueue/ImportProcesses/{id}/Schema': ['application/schema+json'],
      'get /API/WorkflowImportQueue/ImportProcesses/{id}/Template': [
        'text/csv',
        'application/jsonl',
        workbook,
      ],
      'get /API/Workflows/{name}/Instances/Export': ['application/jsonl', 'text/csv', workbook],
      'get /metrics': ['text/plain'],
    });
  });

  /** Break it: in `CreateBatchDocs` or `UploadDocs`, leave out a response; in `withProblems`, its headers. */
  it.each([
    ['CreateBatch', ['400', '404', '408', '409', '413', '415', '422', '429', '503']],
    ['Uploads', ['400', '404', '408', '409', '413', '415', '429', '503']],
  ])('name every refusal of %s, and the headers it comes with', (route, refusals) => {
    const { responses } = description.paths[`/API/WorkflowImportQueue/${route}`].post;
    expect(Object.keys(responses)).toEqual(['202', ...refusals, 'default']);
    expect(Object.keys(responses['202'].headers)).toContain('Location');
    expect(Object.keys(responses['415'].headers)).toContain('Accept-Post');
    for (const status of ['429', '503'])
      expect(Object.keys(responses[status].headers)).toEqual(['Retry-After']);
    for (const status of refusals)
      expect(Object.keys(responses[status].content)).toEqual(['application/problem+json']);
  });

  it('describe each route for programs, with the problem it may answer', () => {
    expect(operations().length).toBeGreaterThan(5);
    for (const [name, { summary, responses }] of operations()) {
      expect([name, summary]).toEqual([name, expect.stringMatching(/./)]);
      const success = Object.entries<any>(responses).find(([status]) => status.startsWith('2'));
      expect([name, success]).toEqual([name, [expect.any(String), expect.anything()]]);
      if (success![0] !== '204') expect(Object.keys(success![1].content)).not.toEqual([]);
      expect(responses.default.content['application/problem+json'].schema.$ref).toBe(
        '#/components/schemas/Problem',
      );
    }
    expect(
      Object.keys(description.paths).filter((path) => !/^\/(API\/|health\/|metrics$)/.test(path)),
    ).toEqual([]);
  });

  it('refer only to existing schemas', () => {
    const references = [...JSON.stringify(description).matchAll(/"#\/components\/schemas\/([^"]+)"/g)];
    for (const [, name] of references) expect(Object.keys(description.components.schemas)).toContain(name);
  });

  it('are a page whose scripts and styles are our own and not inline', async () => {
    const page = await fetch(`${app.url}/docs`);
    expect(page.status).toBe(200);
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self';");
    const html = await page.text();
    expect(html).not.toMatch(/<script>(?!\s*<\/script>)/);
    const assets = [...html.matchAll(/(?:src|href)="(\.\/[^"]+\.(?:js|css|png))"/g)].map(([, path]) => path!);
    expect(assets.length).toBeGreaterThan(3);
    for (const path of assets) {
      expect((await fetch(new URL(path, `${app.url}/docs`))).status).toBe(200);
    }
  });

  it('send a key that was pasted with its scheme under that scheme', async () => {
    const script = await (await fetch(`${app.url}/docs/swagger-ui-init.js`)).text();
    const options = runInNewContext(`${/let options = \{[\s\S]*?\n\};/.exec(script)![0]} options;`);
    const sent = (authorization?: string) =>
      options.customOptions.requestInterceptor({ headers: { Authorization: authorization } }).headers
        .Authorization;
    expect(sent('Bearer abc')).toBe('Bearer abc');
    expect(sent('Bearer  abc ')).toBe('Bearer  abc');
    expect(sent('Bearer apikey abc')).toBe('apikey abc');
    expect(sent('Bearer Bearer abc')).toBe('Bearer abc');
    expect(sent(undefined)).toBeUndefined();
  });
});

describe('a worker', () => {
  it('serves neither docs nor the API, only health', async () => {
    const app = await startTestApp({ ROLE: 'worker' });
    try {
      const statusOf = async (path: string) => (await fetch(app.url + path)).status;
      expect(await statusOf('/docs')).toBe(404);
      expect(await statusOf('/API/ApiKeys')).toBe(404);
      expect(await statusOf('/queues')).toBe(404);
      expect(await statusOf('/health/live')).toBe(200);
    } finally {
      await app.close();
    }
  });
});
