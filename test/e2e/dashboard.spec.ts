import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { CHUNK_QUEUE, type ChunkJob } from '../../src/platform/queue/queues.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

describe('the job dashboard', () => {
  let app: TestApp;
  let redis: TcpProxy;
  let queue: Queue<ChunkJob>;
  let cookie: string;

  beforeAll(async () => {
    redis = await startTcpProxy(process.env.REDIS_URL!);
    app = await startTestApp({ ROLE: 'api', REDIS_URL: redis.url });
    queue = app.app.get<Queue<ChunkJob>>(getQueueToken(CHUNK_QUEUE), { strict: false });
    await queue.isReady();
    cookie = await signIn(app);
  });

  afterAll(async () => {
    redis?.restore();
    await app?.close();
    await redis?.close();
  });

  const open = (path: string, headers: Record<string, string> = { cookie }, init: RequestInit = {}) =>
    fetch(`${app.url}/queues${path}`, { redirect: 'manual', ...init, headers });

  it.each(['', '/', '/static/js/main.js', '/queue/import-chunks'])(
    'leads anyone who is not signed in from /queues%s to the sign-in page',
    async (path) => {
      const response = await open(path, {});
      expect(response.status).toBe(303);
      expect(response.headers.get('location')).toBe(`/login?next=${encodeURIComponent(`/queues${path}`)}`);
    },
  );

  it('answers its own scripts, which cannot sign in, with a refusal', async () => {
    const response = await open('/api/queues', {});
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('apikey, Bearer');
    expect(await response.json()).toMatchObject({ code: 'authentication_required' });
  });

  it('is closed to viewers', async () => {
    const response = await open('/api/queues', { cookie: await signIn(app, 'viewer') });
    expect(response.status).toBe(403);
  });

  /** Break it: in `assertMaySeeJobs`, leave out `reads`. */
  it('is read-only for operators', async () => {
    const operator = { cookie: await signIn(app, 'operator'), origin: app.url };
    expect((await open('/', operator)).status).toBe(200);
    expect((await open('/api/queues', operator)).status).toBe(200);
    const pause = await open('/api/queues/import-chunks/pause', operator, { method: 'PUT' });
    expect(pause.status).toBe(403);
    expect(await queue.isPaused()).toBe(false);
  });

  it('is not for API keys, whatever they may do', async () => {
    const response = await open('/api/queues', { authorization: `apikey ${TEST_API_KEY}` });
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
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
    expect(named.filter((address) => /^(?:https?:)?\/\//.test(address!))).toEqual([]);
  });

  it('lists every queue with its jobs', async () => {
    const { queues } = (await (await open('/api/queues')).json()) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name).sort()).toEqual([
      'behaviors',
      'import-chunks',
      'notifications',
      'webhooks',
    ]);
  });

  /** Break it: in `NamedQueue`, leave out `learn` in `getJobs`; drop `assertHarmless`. */
  it('names jobs by their rows, and lets no one add jobs or empty a queue', async () => {
    const client = new ImportClient(app.url);
    const importProcessId = await client.setUp();
    const answer = await client.createBatch(jsonl([member(1), member(2)]), {
      importProcessId,
      fileName: 'members.jsonl',
    });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    const named = await eventually(async () => {
      const { queues } = (await (
        await open('/api/queues?activeQueue=import-chunks&status=waiting&page=1&jobsPerPage=10')
      ).json()) as any;
      return queues.find(({ name }: any) => name === 'import-chunks').jobs[0] ?? null;
    }, 'the job');
    expect(named).toMatchObject({
      name: 'members.jsonl · rows 1–2',
      data: { batchId: id, chunkNumber: 1 },
      externalUrl: { href: `/imports/${id}` },
    });
    for (const [method, path] of [
      ['PUT', 'empty'],
      ['PUT', 'obliterate'],
      ['POST', 'add'],
    ] as const) {
      const refused = await open(
        `/api/queues/import-chunks/${path}`,
        { cookie, origin: app.url },
        { method },
      );
      expect([refused.status, await refused.json()]).toEqual([
        403,
        expect.objectContaining({ code: 'job_action_disabled' }),
      ]);
    }
    expect(await queue.getWaitingCount()).toBe(1);
    const operator = { cookie: await signIn(app, 'operator') };
    const { queues } = (await (await open('/api/queues', operator)).json()) as any;
    expect(queues.map(({ readOnlyMode }: any) => readOnlyMode)).toEqual([true, true, true, true]);
  });

  it('removes a job for the administrator, not for a page of another site', async () => {
    const job = await queue.add({ batchId: 1, chunkNumber: 1 }, { delay: 3600_000 });
    const clean = (headers: Record<string, string>) =>
      open(`/api/queues/import-chunks/${job.id}/clean`, { cookie, ...headers }, { method: 'PUT' });
    const refused = await clean({ origin: 'https://evil.example' });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ code: 'cross_site_request' });
    expect(await queue.getJob(job.id)).not.toBeNull();

    expect((await clean({ origin: app.url })).status).toBe(204);
    expect(await queue.getJob(job.id)).toBeNull();
  });

  it('reports that Redis is away instead of waiting for it', async () => {
    redis.silence();
    const response = await open('/api/queues');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'redis_unavailable' });
    redis.restore();
    await eventually(async () => (await open('/api/queues')).status === 200, 'the dashboard');
  });
});
