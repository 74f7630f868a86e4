import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

/** Swagger UI offers the examples; whoever presses Execute sends them. Break it: change a name in `BODY_EXAMPLES`. */
describe('the examples of the API docs', () => {
  let app: TestApp;
  let client: ImportClient;
  let receiver: WebhookReceiver;
  /** By operation id. */
  const operations = new Map<string, any>();
  const sent = new Set<string>();

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    receiver.answers.set('/contacts', [500]);
    app = await startTestApp({ PUBLIC_URL: 'http://127.0.0.1', ALLOW_PRIVATE_TARGETS: 'true' });
    client = new ImportClient(app.url);
    const { paths }: any = await (await fetch(`${app.url}/docs/openapi.json`)).json();
    for (const [path, item] of Object.entries<any>(paths)) {
      for (const [method, operation] of Object.entries<any>(item)) {
        operations.set(operation.operationId, { ...operation, method: method.toUpperCase(), path });
      }
    }
  });

  afterAll(async () => {
    await app?.close();
    await receiver?.stop();
  });

  /** Files and parts of files have no example. */
  const withBody = () =>
    [...operations.values()].filter(({ requestBody }) =>
      ['application/json', 'text/plain'].includes(Object.keys(requestBody?.content ?? {})[0]!),
    );

  /** The one that stands in the form. */
  const exampleOf = ({ example, examples = {}, schema }: any) =>
    example ?? Object.values<any>(examples)[0]?.value ?? schema.example;

  /** Sends the body of an operation as the docs offer it. */
  const send = async (id: string, parameters: Record<string, string | number> = {}, named?: string) => {
    const { method, path, requestBody, parameters: described = [] } = operations.get(id);
    const [[type, content]] = Object.entries<any>(requestBody.content) as [[string, any]];
    const body = named === undefined ? exampleOf(content) : content.examples[named].value;
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

  /** The first record of the batch is unknown, because its receiver takes no keys and answers 500. */
  const unknownRecord = async ({ recordSchema, target: described }: any): Promise<number> => {
    const target = { ...described, url: `${receiver.url}/contacts`, idempotent: false };
    const { body } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      ...{ name: 'Lost contacts', recordSchema, target },
    });
    const sent = await client.createBatch('{"email":"ada@example.org"}', { importProcessId: body.id });
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: batch } = sent.body;
    await client.ended(batch);
    return batch as number;
  };

  it('are on every body', () => {
    for (const { operationId, requestBody } of withBody()) {
      const [content] = Object.values<any>(requestBody.content);
      expect([operationId, exampleOf(content)]).toEqual([operationId, expect.anything()]);
    }
  });

  it('are accepted as they stand', async () => {
    await send('createWorkflow');
    await send('replaceWorkflow', { name: 'grant-role' });
    const { body: process } = await send('createImportProcess');
    await send('replaceImportProcess', { id: process.id });

    const { body: delivering } = await send('createImportProcess', {}, 'http');
    const lost = await unknownRecord(delivering);
    await send('resolveRecords', { id: lost });

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
