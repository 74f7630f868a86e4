import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Swagger UI offers the examples; whoever presses Execute sends them. Break it: change a name in `BODY_EXAMPLES`. */
describe('the examples of the API docs', () => {
  let app: TestApp;
  let client: ImportClient;
  /** By operation id. */
  const operations = new Map<string, any>();
  const sent = new Set<string>();

  beforeAll(async () => {
    app = await startTestApp({ PUBLIC_URL: 'http://127.0.0.1' });
    client = new ImportClient(app.url);
    const { paths }: any = await (await fetch(`${app.url}/docs/openapi.json`)).json();
    for (const [path, item] of Object.entries<any>(paths)) {
      for (const [method, operation] of Object.entries<any>(item)) {
        operations.set(operation.operationId, { ...operation, method: method.toUpperCase(), path });
      }
    }
  });

  afterAll(() => app?.close());

  /** Files and parts of files have no example. */
  const withBody = () =>
    [...operations.values()].filter(({ requestBody }) =>
      ['application/json', 'text/plain'].includes(Object.keys(requestBody?.content ?? {})[0]!),
    );

  /** Sends the body of an operation as the docs offer it. */
  const send = async (id: string, parameters: Record<string, string | number> = {}) => {
    const { method, path, requestBody, parameters: described = [] } = operations.get(id);
    const [[type, { example, schema }]] = Object.entries<any>(requestBody.content) as [[string, any]];
    const body = example ?? schema.example;
    const url = path.replaceAll(/\{(\w+)\}/g, (_: string, name: string) => String(parameters[name]));
    const query = new URLSearchParams();
    for (const { name, in: place, required, schema: of, example: given } of described) {
      if (place === 'query' && required === true)
        query.set(name, String(parameters[name] ?? given ?? of.example));
    }
    const answer = await client.call(method, `${url}?${query}`, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': type },
    });
    sent.add(id);
    expect([id, answer.status < 300, answer.body]).toEqual([id, true, answer.body]);
    return answer;
  };

  it('are on every body', () => {
    for (const { operationId, requestBody } of withBody()) {
      const [{ example, schema }] = Object.values<any>(requestBody.content);
      expect([operationId, example ?? schema.example]).toEqual([operationId, expect.anything()]);
    }
  });

  it('are accepted as they stand', async () => {
    await send('createWorkflow');
    await send('replaceWorkflow', { name: 'grant-role' });
    const { body: process } = await send('createImportProcess');
    await send('replaceImportProcess', { id: process.id });

    await send('createMapping', { id: process.id });
    await send('replaceMapping', { id: process.id, name: 'HR export' });

    const { body: batch } = await send('createBatch', { importProcessId: process.id });
    await client.ended(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { body: instances } = await client.get('/API/Workflows/grant-role/Instances');
    expect(instances.items.length).toBe(2);
    await send('performAction', { name: 'grant-role', id: instances.items[0].id, action: 'Grant' });

    const upload = await client.upload(
      ':UniqueId,:Email,First Name,Level\nX-1,x@example.org,Xenia,Senior\n',
      {
        importProcessId: process.id,
      },
    );
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = upload.body;
    await send('readUploadAgain', { id });
    await client.act(upload, 'Confirm');
    await client.ended(id);
    await send('fixFailedRecords', { id });

    await send('createApiKey');
    const { body: endpoint } = await send('createWebhookEndpoint');
    await send('replaceWebhookEndpoint', { id: endpoint.id });
    await send('erasePerson');
    expect(
      withBody()
        .map(({ operationId }) => operationId)
        .filter((each) => !sent.has(each)),
    ).toEqual([]);
  });
});
