import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { CHUNK_QUEUE, type ChunkJob } from '../../src/queue/queues.js';
import { eventually } from '../support/eventually.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, TEST_ADMIN, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const BASIC = `Basic ${Buffer.from(`${TEST_ADMIN.email}:${TEST_ADMIN.password}`).toString('base64')}`;

describe('the job dashboard', () => {
  let app: TestApp;
  let redis: TcpProxy;
  let queue: Queue<ChunkJob>;

  beforeAll(async () => {
    redis = await startTcpProxy(process.env.REDIS_URL!);
    app = await startTestApp({ ROLE: 'api', REDIS_URL: redis.url });
    queue = app.app.get<Queue<ChunkJob>>(getQueueToken(CHUNK_QUEUE), { strict: false });
    await queue.isReady();
  });

  afterAll(async () => {
    redis?.mend();
    await app?.close();
    await redis?.close();
  });

  const open = (path: string, authorization: string | undefined = BASIC, init: RequestInit = {}) =>
    fetch(`${app.url}/queues${path}`, {
      ...init,
      headers: { ...(authorization !== '' && { authorization }), ...init.headers },
    });

  it.each(['', '/', '/api/queues', '/static/js/main.js', '/queue/import-chunks'])(
    'asks everybody for e-mail and password at /queues%s',
    async (path) => {
      const response = await open(path, '');
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
      expect(await response.json()).toMatchObject({ code: 'authentication_required' });
    },
  );

  it('is not for API keys, whatever they may do', async () => {
    const response = await open('/api/queues', `apikey ${TEST_API_KEY}`);
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'permission_denied' });
  });

  it('shows the page, whose scripts and styles are our own', async () => {
    const response = await open('/');
    expect(response.status).toBe(200);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self';");
    const html = await response.text();
    expect(html).toContain('<base href="/queues/"');
    for (const [, path] of html.matchAll(/(?:src|href)="(static\/[^"]+\.(?:js|css))"/g)) {
      expect((await open(`/${path}`)).status).toBe(200);
    }
  });

  it('lists every queue with its jobs', async () => {
    const { queues } = (await (await open('/api/queues')).json()) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name).sort()).toEqual(['behaviors', 'import-chunks', 'notifications']);
  });

  it('removes a job for the administrator, not for a page of another site', async () => {
    const job = await queue.add({ batchId: 1, chunkNumber: 1 }, { delay: 3600_000 });
    const clean = (headers: Record<string, string>) =>
      open(`/api/queues/import-chunks/${job.id}/clean`, BASIC, { method: 'PUT', headers });
    const refused = await clean({ origin: 'https://evil.example' });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ code: 'cross_site_request' });
    expect(await queue.getJob(job.id)).not.toBeNull();

    expect((await clean({ origin: app.url })).status).toBe(204);
    expect(await queue.getJob(job.id)).toBeNull();
  });

  it('says so when Redis is away, instead of waiting for it', async () => {
    redis.silence();
    const response = await open('/api/queues');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'redis_unavailable' });
    redis.mend();
    await eventually(async () => (await open('/api/queues')).status === 200, 'the dashboard');
  });
});

describe('the job dashboard without an administrator', () => {
  it('is closed, and asks for no password that nobody has', async () => {
    const app = await startTestApp({ ROLE: 'api', BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '' });
    try {
      const response = await fetch(`${app.url}/queues`, { headers: { authorization: BASIC } });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('apikey');
    } finally {
      await app.close();
    }
  });
});
