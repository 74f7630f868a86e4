import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { refuseAmbiguousPublicPath } from '../../src/platform/http/answers.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { sessionCookieOf, signIn, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

/** A proxy that serves the application below /queue. */
async function startProxy(target: string, passesPathOn: boolean): Promise<{ url: string; server: Server }> {
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith('/queue/')) {
      outgoing.writeHead(404).end('outside');
      return;
    }
    const path = passesPathOn ? incoming.url : incoming.url.slice('/queue'.length);
    const onward = forward(
      target + path,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Break it: leave `publicPathMiddleware` out of `configureHttp`. */
describe.each([
  ['that passes the path on', true],
  ['that removes the path', false],
])('below the path of PUBLIC_URL, behind a proxy %s', (_, passesPathOn) => {
  let test: TestApp;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let base: string;
  let client: ImportClient;
  let batch: any;

  beforeAll(async () => {
    test = await startTestApp({ PUBLIC_URL: 'https://imports.example.org/queue/' });
    proxy = await startProxy(test.url, passesPathOn);
    base = `${proxy.url}/queue`;
    client = new ImportClient(base);
    const importProcessId = await client.setUp();
    batch = await client.createBatch(jsonl([member(1), member(2)]), { importProcessId });
    await client.ended(batch.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });

  afterAll(async () => {
    proxy?.server.closeAllConnections();
    proxy?.server.close();
    await test?.close();
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(proxy.url + path, { redirect: 'manual', headers });

  it('links of API answers lead through the proxy', async () => {
    const authorization = { authorization: `apikey ${TEST_API_KEY}` };
    const page = await get('/queue/API/WorkflowImportQueue/Batches/1/Records?limit=1', authorization);
    const next = /^<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1];
    const links = [batch.headers.get('location'), ...Object.values<string>(batch.body.links), next];
    for (const link of links) {
      expect(link).toMatch(/^\/queue\/API\//);
      expect((await get(link, authorization)).status).not.toBe(404);
    }
  });

  it('redirects and sign-in lead through the proxy', async () => {
    const start = await get('/queue/imports?status=queued', { accept: 'text/html' });
    const login = start.headers.get('location') ?? '';
    expect(login).toBe(`/queue/login?next=${encodeURIComponent('/imports?status=queued')}`);
    await storeUser(test, 'viewer');
    const fields = { email: 'viewer@example.org', password: TEST_PASSWORD, next: '/imports?status=queued' };
    const signedIn = await submit({ url: base }, '/login', fields, { origin: 'https://imports.example.org' });
    expect(signedIn.headers.get('location')).toBe('/queue/imports?status=queued');
    expect(signedIn.headers.getSetCookie()[0]).toMatch(/^__Secure-wiq_session=.*Path=\/queue;/);
    expect(sessionCookieOf(signedIn)).not.toBeNull();
  });

  it('every link of a page leads through the proxy', async () => {
    const cookie = await signIn(test, 'administrator');
    const pages = [
      '/queue/imports',
      '/queue/imports/1',
      '/queue/workflows',
      '/queue/file-types',
      '/queue/users',
    ];
    const seen = new Set<string>();
    for (const page of pages) {
      const html = await (await get(page, { cookie })).text();
      for (const [, link = ''] of html.matchAll(/\s(?:href|src|action|data-hx-[a-z:]+)="(\/[^"]*)"/g)) {
        seen.add(link.replaceAll('&amp;', '&'));
      }
    }
    expect([...seen].filter((link) => !link.startsWith('/queue/'))).toEqual([]);
    expect(seen.size).toBeGreaterThan(20);
    for (const link of [...seen].filter((link) => /\/assets\/|\/docs$|\/queues$/.test(link))) {
      expect([link, (await get(link, { cookie })).status]).toEqual([link, 200]);
    }
  });

  it('the API description and the job dashboard know the path', async () => {
    const document = await (await get('/queue/docs/openapi.json')).json();
    expect(document).toMatchObject({ servers: [{ url: '/queue' }] });
    const cookie = await signIn(test, 'administrator');
    const dashboard = await (await get('/queue/queues/', { cookie })).text();
    expect(dashboard).toContain('<base href="/queue/queues/"');
  });

  it('a path that begins like a route of the service is refused at the start', () => {
    const express = test.app.getHttpAdapter().getInstance();
    for (const path of ['/imports', '/API/v2', '/Docs'])
      expect(() => refuseAmbiguousPublicPath(`https://example.org${path}`, express)).toThrow(
        /must not begin with/,
      );
    for (const path of ['', '/queue', '/base/imports'])
      expect(() => refuseAmbiguousPublicPath(`https://example.org${path}`, express)).not.toThrow();
  });
});
