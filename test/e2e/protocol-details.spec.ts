import { once } from 'node:events';
import { connect } from 'node:net';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { rawRequest } from '../support/raw-request.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const AUTHORIZED = `Host: x\r\nAuthorization: apikey ${TEST_API_KEY}\r\n`;

describe('details of the protocol', () => {
  let test: TestApp;
  let client: ImportClient;
  let path: string;

  beforeAll(async () => {
    test = await startTestApp({ MAX_BODY_BYTES: '3000000' });
    client = new ImportClient(test.url);
    path = `/API/WorkflowImportQueue/CreateBatch?fileName=a&importProcessId=${await client.setUp()}`;
  });

  afterAll(() => test.close());

  /** Sends the head of a request that waits for 100, and answers what comes first and whether the connection closes. */
  const expecting = async (target: string, headers: string, body = '') => {
    const { hostname, port } = new URL(test.url);
    const socket = connect(Number(port), hostname).setEncoding('utf8');
    const ended = once(socket, 'end').then(() => 'closed');
    socket.write(`POST ${target} HTTP/1.1\r\n${headers}Expect: 100-continue\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [string];
    if (body === '') return { first, then: await ended };
    socket.write(body);
    const [then] = (await once(socket, 'data')) as [string];
    socket.destroy();
    return { first, then };
  };

  /** Break it: in `answerProtocolErrors`, leave out `checkContinue`, so that Node answers 100 at once. */
  it.each([
    ['a wrong key', () => path, 'Host: x\r\nAuthorization: apikey wrong\r\nContent-Length: 9\r\n', 401],
    ['an unknown parameter', () => `${path}&x=1`, `${AUTHORIZED}Content-Length: 9\r\n`, 400],
    ['a body above the limit', () => path, `${AUTHORIZED}Content-Length: 3000001\r\n`, 413],
    ['an unknown route', () => '/API/Nothing', `${AUTHORIZED}Content-Length: 9\r\n`, 404],
    [
      'a JSON body without permission',
      () => '/API/ApiKeys',
      'Host: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n',
      401,
    ],
  ])('a client that waits for 100 is refused at once: %s', async (_, target, headers, status) => {
    const { first, then } = await expecting(target(), headers);
    expect(first).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(first).toMatch(/^Connection: close/m);
    expect(then).toBe('closed');
  });

  it('a client that waits for 100 gets it when its body is read', async () => {
    const body = jsonl([member(1)]);
    const headers = `${AUTHORIZED}Content-Length: ${Buffer.byteLength(body)}\r\n`;
    const { first, then } = await expecting(path, headers, body);
    expect(first).toMatch(/^HTTP\/1.1 100 /);
    expect(then).toMatch(/^HTTP\/1.1 202 /);
  });

  /** Break it: in `refuseUnusable`, leave out the check in question. */
  it.each([
    ['two Host headers', 'GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400, 'malformed_request'],
    [
      'HTTP/1.0 with chunks',
      'POST /login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a transfer encoding besides chunked',
      'POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      501,
      'unsupported_transfer_encoding',
    ],
  ])('%s are refused', async (_, request, status, code) => {
    const answer = await rawRequest(test.url, request);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, expect.objectContaining({ code })]);
    expect(answer.headers.get('connection')).toBe('close');
  });

  it('a URL with raw UTF-8 is answered with advice to encode it', async () => {
    const request = `POST ${path.replace('=a', '=Müller')} HTTP/1.1\r\n${AUTHORIZED}\r\n`;
    const { status, text } = await rawRequest(test.url, request);
    expect([status, text]).toEqual([400, expect.stringContaining('M%C3%BCller')]);
  });

  /** Break it: in `readBodyHeaders`, leave out `assertUtf8`; in `BodyParsingInterceptor`, for actions. */
  it.each([
    ['records', () => path, 'application/jsonl; charset=iso-8859-1'],
    ['records', () => path, 'text/plain; format=flowed; charset="windows-1252"'],
    ['an action', () => '/API/Workflows/w/Instances/1/Actions/a', 'application/json; charset=utf-16'],
  ])('%s in a charset other than UTF-8 are refused', async (_, target, type) => {
    const { status, body } = await client.post(target(), '{"a":1}\n', { 'content-type': type });
    expect([status, body.code]).toEqual([415, 'unsupported_charset']);
  });

  it.each(['application/jsonl; charset=UTF-8', 'text/plain; charset="us-ascii"'])(
    'records as %s are accepted',
    async (type) => {
      const { status } = await client.post(path, jsonl([member(2)]), { 'content-type': type });
      expect(status).toBe(202);
    },
  );

  it('an address with a space is shown, with advice to encode the plus sign', async () => {
    const { body } = await client.post(`${path}&sendFailureEmailTo=ops+x@example.org`, '{}\n');
    expect(body.errors[0].message).toBe(
      'sendFailureEmailTo must be one e-mail address, or up to 5 separated by commas, not "ops x@example.org"; write + as %2B in a URL',
    );
  });

  it.each([
    ['a JSON array', '[{"a":1},\n{"a":2}]\n', 'JSON array'],
    ['joined lines', '{"a":1}{"a":2}', '--data-binary'],
    ['CSV', 'First Name,Level\nAda,Fellow\n', 'looks like CSV'],
  ])('%s sent as records is named in the refusal', async (_, sent, advice) => {
    const { status, body } = await client.post(path, sent, { 'content-type': 'text/plain' });
    expect([status, body.code, body.detail]).toEqual([
      400,
      'malformed_json_lines',
      expect.stringContaining(advice),
    ]);
  });

  /** Break it: in `validateBody`, leave out the check for nesting, so that class-transformer overflows the stack. */
  it.each([
    ['POST', '/API/ApiKeys', 'name'],
    ['POST', '/API/WorkflowImportQueue/ImportProcesses', 'target'],
    ['PUT', '/API/WorkflowImportQueue/ImportProcesses/1', 'name'],
  ])('%s %s refuses a deeply nested body', async (method, target, name) => {
    const nested = `{"${name}":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const { status, body } = await client.call(method, target, {
      body: Buffer.from(nested),
      headers: { 'content-type': 'application/json' },
    });
    expect(status).toBe(400);
    expect(body.errors).toContainEqual(expect.objectContaining({ code: 'nesting_too_deep' }));
  });

  /** Break it: in `configureHttp`, leave `refuseUnusedFeatures` out; in `serveDocs`, persist the authorization. */
  it('pages may not use features of the browser, and the documentation keeps no key', async () => {
    const { headers } = await client.get('/login');
    expect(headers.get('permissions-policy')).toContain('camera=()');
    const script = await (await fetch(`${test.url}/docs/swagger-ui-init.js`)).text();
    expect(script).toContain('"persistAuthorization": false');
  });

  /** Break it: in `serveDocs`, leave `PAGE_FILES` out. */
  it('serves of the package of the documentation only what its page loads', async () => {
    const page = await (await fetch(`${test.url}/docs`)).text();
    const loaded = [...page.matchAll(/(?:src|href)="(?:\.\/)?(?:docs\/)?([\w.-]+\.(?:css|js|png))"/g)].map(
      ([, file]) => file,
    );
    expect(loaded).toContain('swagger-ui-bundle.js');
    const statusOf = async (file: string) => (await fetch(`${test.url}/docs/${file}`)).status;
    for (const file of loaded) expect([file, await statusOf(file!)]).toEqual([file, 200]);
    for (const file of ['package.json', 'README.md', 'swagger-ui.css.map', 'index.html', 'LICENSE'])
      expect([file, await statusOf(file)]).toEqual([file, 404]);
  });

  describe('caches', () => {
    /** Break it: leave out `@Revalidated()`. */
    it('may keep a batch and a list of batches, but ask each time', async () => {
      const made = await client.post(path, jsonl([member(3)]));
      const id = made.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      await client.ended(id);
      for (const target of ['/API/WorkflowImportQueue/Batches', `/API/WorkflowImportQueue/Batches/${id}`]) {
        const { status, headers } = await client.get(target);
        expect([status, headers.get('cache-control')]).toEqual([200, 'private, no-cache']);
        const again = await rawRequest(
          test.url,
          `GET ${target} HTTP/1.1\r\n${AUTHORIZED}If-None-Match: ${headers.get('etag')}\r\nConnection: close\r\n\r\n`,
        );
        expect([again.status, again.text]).toEqual([304, '']);
      }
    });

    it('keep no other answer with data', async () => {
      const paths = ['ApiKeys', 'Workflows', 'WorkflowImportQueue/ImportProcesses'].map((p) => `/API/${p}`);
      const batch = '/API/WorkflowImportQueue/Batches/1';
      paths.push(`${batch}/Records`, `${batch}/Results`, `${batch}/Notifications`, '/metrics');
      for (const target of paths) {
        const { status, headers } = await client.get(target);
        expect([target, status, headers.get('cache-control')]).toEqual([target, 200, 'no-store']);
      }
    });
  });
});
