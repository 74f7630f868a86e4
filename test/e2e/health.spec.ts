import { Client } from 'pg';
import { ShutdownState } from '../../src/operations/health.module.js';
import { eventually } from '../support/eventually.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('health', () => {
  let app: TestApp;
  let redis: TcpProxy;
  let client: Client;

  beforeAll(async () => {
    redis = await startTcpProxy(process.env.REDIS_URL!);
    app = await startTestApp({ ROLE: 'api', REDIS_URL: redis.url });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client?.end();
    redis?.restore();
    await app?.close();
    await redis?.close();
  });

  const probe = async (path: string) => {
    const response = await fetch(`${app.url}/health/${path}`);
    return { status: response.status, headers: response.headers, body: (await response.json()) as any };
  };
  const ready = () => probe('ready');
  const untilReady = () => eventually(async () => (await ready()).status === 200, 'readiness');
  /** Its checks are the only ones down. */
  const expectDown = (body: any, ...names: string[]) => {
    const down = Object.keys(body.checks).filter((name) => body.checks[name].status === 'down');
    expect(down).toEqual(names);
    for (const name of names) expect(body.checks[name].reason).not.toBe('');
  };

  it('is open to everyone, and never cached', async () => {
    for (const path of ['live', 'ready']) {
      const { status, headers } = await probe(path);
      expect(status).toBe(200);
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  it('is ready when PostgreSQL and Redis are writable and all migrations applied', async () => {
    const up = { status: 'up' };
    expect((await ready()).body).toEqual({
      status: 'ready',
      checks: { process: up, postgres: up, migrations: up, redis: up, queues: up },
    });
  });

  /** Break it: in `Readiness.report`, count a degraded check as down, or as up. */
  it('is degraded, and serves calls, while Redis is away, and takes batches', async () => {
    redis.cut();
    const { status, body } = await ready();
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'degraded', checks: { redis: { status: 'degraded' } } });
    expect(body.checks.redis.reason).not.toBe('');
    expect((await probe('live')).status).toBe(200);
    redis.restore();
    await eventually(async () => (await ready()).body.checks.redis.status === 'up', 'Redis');
  });

  it('answers within a time limit while Redis hangs', async () => {
    redis.silence();
    const { status, body } = await ready();
    expect([status, body.checks.redis.status]).toEqual([200, 'degraded']);
    redis.restore();
    await eventually(async () => (await ready()).body.checks.redis.status === 'up', 'Redis');
  });

  it('is not ready while a migration is missing, naming it', async () => {
    await client.query('CREATE TABLE kept AS SELECT * FROM schema_migration');
    await client.query('DELETE FROM schema_migration');
    const { body } = await ready();
    expectDown(body, 'migrations');
    expect(body.checks.migrations.reason).toContain('CreateTables');
    await client.query('INSERT INTO schema_migration SELECT * FROM kept');
    await untilReady();
  });

  it('is not ready while PostgreSQL takes no writes', async () => {
    const { name } = app.database;
    const breakConnections = () =>
      client.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await breakConnections();
    await eventually(
      async () => (await ready()).body.checks.postgres.reason?.includes('no writes'),
      'the refusal',
    );
    await client.query('SET default_transaction_read_only = off');
    await client.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    await breakConnections();
    await untilReady();
  });
});

describe('a process that stops', () => {
  it('reports not ready before anything else, and still answers', async () => {
    const app = await startTestApp({ ROLE: 'worker' });
    let answer: { status: number; body: any } | undefined;
    const state = app.app.get(ShutdownState);
    const begin = state.begin.bind(state);
    const asked = new Promise<void>((resolve, reject) => {
      state.begin = () => {
        begin();
        fetch(`${app.url}/health/ready`)
          .then(async (response) => {
            answer = { status: response.status, body: await response.json() };
          })
          .then(resolve, reject);
      };
    });
    await app.close();
    await asked;
    expect(answer?.status).toBe(503);
    expect(answer?.body.checks.process).toEqual({ status: 'down', reason: 'is stopping' });
  });
});

describe('a process that only works', () => {
  it('is not ready while Redis is away, since all of its work comes from there', async () => {
    const redis = await startTcpProxy(process.env.REDIS_URL!);
    const app = await startTestApp({ ROLE: 'worker', REDIS_URL: redis.url });
    redis.cut();
    const response = await fetch(`${app.url}/health/ready`);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect([response.status, ((await response.json()) as any).checks.redis.status]).toEqual([503, 'down']);
    redis.restore();
    await app.close();
    await redis.close();
  });
});
