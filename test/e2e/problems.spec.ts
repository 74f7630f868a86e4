import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { rawRequest } from '../support/raw-request.js';
import { insertBatch, storeImportProcess } from '../support/stored-batch.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';
import { createTestDatabase } from '../support/test-database.js';

const AUTHORIZED = { authorization: `apikey ${TEST_API_KEY}` };

describe('problem answers', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
  });

  afterAll(() => app?.close());

  const problem = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(app.url + path, { ...init, headers: { ...AUTHORIZED, ...init.headers } });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const body = (await response.json()) as any;
    expect(body.status).toBe(response.status);
    expect(body).toMatchObject({
      type: expect.stringMatching(/^urn:/),
      title: expect.any(String),
      detail: expect.any(String),
      instance: path.split('?')[0],
      code: expect.stringMatching(/^[a-z_]+$/),
    });
    expect(JSON.stringify(body)).not.toMatch(/node_modules|\.ts:|\.js:/);
    return { status: response.status, headers: response.headers, body };
  };
  const postKey = (body: string | Buffer, headers: Record<string, string> = {}) =>
    problem('/API/ApiKeys', {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: { 'content-type': 'application/json', ...headers },
    });

  it('report an unknown route', async () => {
    const { status, body } = await problem('/API/Nothing?mail=ann@example.org');
    expect(status).toBe(404);
    expect(body.code).toBe('route_not_found');
    expect(JSON.stringify(body)).not.toContain('ann@example.org');
  });

  it('report the methods of a route', async () => {
    const { status, headers, body } = await problem('/API/ApiKeys', { method: 'PUT' });
    expect(status).toBe(405);
    expect(body.code).toBe('method_not_allowed');
    expect(headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('report a path that is not UTF-8', async () => {
    const { status } = await problem('/API/WorkflowImportQueue/Batches/%FF');
    expect(status).toBe(400);
  });

  it.each([
    ['JSON that is broken', '{"name":', 400, 'malformed_json'],
    ['an array', '[]', 400, 'invalid_body'],
    ['a body over 1 MiB', JSON.stringify({ name: 'x'.repeat(1024 ** 2) }), 413, 'body_too_large'],
  ])('tell %s', async (_, body, status, code) => {
    const answer = await postKey(body);
    expect(answer.status).toBe(status);
    expect(answer.body.code).toBe(code);
    if (status === 413) expect(answer.body.limit).toBe(1024 ** 2);
  });

  it('count the limit of a body on the decoded bytes', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 ** 2, ' '));
    const { status, body } = await postKey(bomb, { 'content-encoding': 'gzip' });
    expect(status).toBe(413);
    expect(body.code).toBe('body_too_large');
  });

  it.each([
    [{ 'content-encoding': 'snappy' }, 415, 'unsupported_content_encoding'],
    [{ 'content-type': 'application/json; charset=latin1' }, 415, 'unsupported_charset'],
    [{ 'content-type': 'text/plain' }, 400, 'missing_body'],
    [{ 'content-encoding': 'gzip' }, 400, 'bad_request'],
  ])('tell a body sent with %j', async (headers, status, code) => {
    const answer = await postKey('{"name":"x"}', headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('reach a client that is still sending, even if the body was never needed', async () => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    const answered = once(socket, 'data');
    const block = Buffer.alloc(1024 ** 2, 'x');
    socket.write(
      `POST /API/WorkflowImportQueue/CreateBatch HTTP/1.1\r\nHost: x\r\nContent-Length: ${30 * block.length}\r\n\r\n`,
    );
    for (let sent = 0; sent < 30; sent++) {
      if (!socket.write(block)) await once(socket, 'drain');
    }
    expect(String((await answered)[0])).toMatch(/^HTTP\/1.1 401 /);
    // The connection was not reset: the next request on it is answered too.
    const next = once(socket, 'data');
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String((await next)[0])).toMatch(/^HTTP\/1.1 200 /);
    socket.destroy();
  });

  /**
   * Break it: in `configureHttp`, leave out `answerProtocolErrors`, or `refuseUnusable`; in `notHttp`, leave out
   * HPE_HEADER_OVERFLOW.
   */
  it.each([
    [
      'a URL that is too long',
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'headers that are too long',
      `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(900_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    ['a malformed header', 'GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n', 400, 'malformed_request'],
    ['what is no HTTP', 'HELO example.org\r\n\r\n', 400, 'malformed_request'],
    [
      'a malformed chunk',
      'POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nten\r\n',
      400,
      'malformed_request',
    ],
    ['a request without Host', 'GET /health/live HTTP/1.1\r\n\r\n', 400, 'missing_host'],
    [
      'an unknown expectation',
      'GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: foo\r\n\r\n',
      417,
      'unknown_expectation',
    ],
  ])('tell %s', async (_, request, status, code) => {
    const answer = await rawRequest(app.url, request);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
    expect(JSON.parse(answer.text)).toMatchObject({
      type: `urn:workflow-import-queue:problem:${code}`,
      title: expect.any(String),
      detail: expect.any(String),
      instance: expect.stringMatching(/^(urn:uuid:|\/health\/live)/),
      status,
      code,
    });
  });

  /** Break it: in `refuse`, leave out `headersSent`. */
  it('do not change an answer that has started', async () => {
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    const importProcessId = await storeImportProcess(client, 'Members');
    const id = await insertBatch(client, importProcessId, { status: 'queued', records: [] });
    await client.end();
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (piece) => (received += String(piece)));
    socket.write(
      `GET /API/WorkflowImportQueue/Batches/${id}/Events HTTP/1.1\r\nHost: x\r\nAuthorization: apikey ${TEST_API_KEY}\r\n\r\n`,
    );
    await once(socket, 'data');
    socket.write('no request\r\n\r\n');
    await once(socket, 'close');
    expect(received).toMatch(/^HTTP\/1\.1 200 /);
    expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  /** Break it: in `refuseUnusable`, refuse 100-continue too; ask HTTP/1.0 for a Host. */
  it('do not affect requests of old and careful clients', async () => {
    const careful =
      'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-Continue\r\n\r\n';
    expect((await rawRequest(app.url, careful)).status).toBe(200);
    expect((await rawRequest(app.url, 'GET /health/live HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  it('carry the id of the request: the given one if it is safe to log', async () => {
    const idOf = async (given?: string) =>
      (await problem('/x', given === undefined ? {} : { headers: { 'x-request-id': given } })).headers.get(
        'x-request-id',
      );
    expect(await idOf()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf('call-7')).toBe('call-7');
    expect(await idOf('two words {"a":1}')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keep pages from running foreign or inline script', async () => {
    const { headers } = await problem('/x');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('answer a fault with only an id that is also in the log', async () => {
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    const lines: string[] = [];
    const log = jest
      .spyOn(process.stderr, 'write')
      .mockImplementation((text) => lines.push(String(text)) > 0);
    try {
      await client.query('ALTER TABLE api_key RENAME TO api_key_away');
      const { status, body } = await problem('/API/ApiKeys', { headers: { 'x-request-id': 'call-8' } });
      expect(status).toBe(500);
      expect(body.code).toBe('internal_error');
      expect(JSON.stringify(body)).not.toContain('api_key');
      const line = JSON.parse(lines.find((text) => text.includes(body.errorId))!);
      expect(line).toMatchObject({
        level: 'error',
        errorId: body.errorId,
        requestId: 'call-8',
        path: '/API/ApiKeys',
      });
      expect(JSON.stringify(lines)).not.toContain(TEST_API_KEY);
    } finally {
      log.mockRestore();
      await client.query('ALTER TABLE api_key_away RENAME TO api_key');
      await client.end();
    }
  });
});

describe('without PostgreSQL', () => {
  it('answers 503 with Retry-After, and works once it is back', async () => {
    const database = await createTestDatabase();
    const proxy = await startTcpProxy(database.url);
    const app = await startTestApp({ ROLE: 'api', DATABASE_URL: proxy.url, LOG_LEVEL: 'error' });
    try {
      const list = () => fetch(`${app.url}/API/ApiKeys`, { headers: AUTHORIZED });
      proxy.cut();
      for (let i = 0; i < 3; i++) {
        const response = await list();
        expect(response.status).toBe(503);
        expect(response.headers.get('retry-after')).toBe('5');
        expect(await response.json()).toMatchObject({ code: 'database_unavailable' });
      }
      proxy.restore();
      expect((await list()).status).toBe(200);
    } finally {
      await app.close();
      await proxy.close();
      await database.drop();
    }
  });
});
