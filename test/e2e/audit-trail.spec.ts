import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { createApp } from '../../src/app/start.js';
import { RefusalLog } from '../../src/auth/access.js';
import { examine, NOTES } from '../../src/operations/doctor/examination.js';
import { RetentionSweeper } from '../../src/operations/retention-sweeper.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { insertBatch, storeApiKey } from '../support/stored-batch.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';
import { createTestDatabase } from '../support/test-database.js';

const BATCHES = '/API/WorkflowImportQueue/Batches';

describe('GET /API/Audit', () => {
  let app: TestApp;
  let api: ImportClient;
  let client: Client;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ TRUSTED_PROXIES: 'loopback', ROLE: 'api' });
    api = new ImportClient(app.url);
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    importProcessId = await api.setUp();
  });
  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const events = async (query: Record<string, string> = {}) =>
    (await api.get(`/API/Audit?${new URLSearchParams(query)}`)).body.items as any[];
  const endedBatch = () =>
    insertBatch(client, importProcessId, {
      status: 'completed_with_errors',
      finishedAt: new Date(),
      records: [{ line: 1, status: 'failed', payload: JSON.stringify(member(1)) }],
    });

  /** Break it: in `ResultDownload.send`, leave out `writeAudit`. */
  it('names who downloaded results, from which address and in which request', async () => {
    const id = await endedBatch();
    const headers = { 'x-forwarded-for': '198.51.100.7', 'x-request-id': 'the-download' };
    await api.call('GET', `${BATCHES}/${id}/Results?set=failed`, { headers });
    expect((await events({ action: 'results_downloaded' }))[0]).toMatchObject({
      actor: 'api-key:1',
      actorKind: 'api-key',
      actorName: 'Bootstrap key',
      object: `batch:${id}`,
      objectKind: 'batch',
      objectId: String(id),
      outcome: 'done',
      count: 1,
      clientAddress: '198.51.100.7',
      requestId: 'the-download',
      details: { set: 'failed', format: 'jsonl' },
    });
  });

  /** Break it: in `auditRefusals`, leave a status out. */
  it('shows 401, 403 and 429 with the code and the path, and never the query', async () => {
    await storeApiKey(client, 'a-key-that-only-sends', ['BeginWorkflowImportProcess']);
    const only = { authorization: 'apikey a-key-that-only-sends', 'x-forwarded-for': '198.51.100.20' };
    await api.call('GET', '/API/ApiKeys', { headers: { authorization: 'apikey guessed-key-guessed' } });
    await fetch(`${app.url}/API/People?identifier=:Email:ada@example.org`, { headers: only });
    const refused = await eventually(async () => {
      const found = await events({ action: 'access_refused' });
      return found.length >= 2 ? found : null;
    }, 'the refusals');
    expect(refused).toContainEqual(
      expect.objectContaining({
        outcome: 'refused',
        clientAddress: '198.51.100.20',
        details: expect.objectContaining({ status: 403, code: 'permission_denied', path: '/API/People' }),
      }),
    );
    expect(refused).toContainEqual(
      expect.objectContaining({ actor: null, details: expect.objectContaining({ code: 'invalid_api_key' }) }),
    );
    expect(JSON.stringify(refused)).not.toMatch(/ada@|guessed/);
  });

  /** Break it: in `RefusalLog.note`, write every refusal. */
  it('counts equal refusals of one minute in one event, so that a flood fills no disk', async () => {
    const log = app.app.get(RefusalLog, { strict: false });
    await log.flush();
    const guess = () =>
      fetch(`${app.url}/API/ApiKeys`, {
        headers: { authorization: 'apikey no-such-key-at-all', 'x-forwarded-for': '203.0.113.9' },
      });
    for (let round = 0; round < 20; round += 1) await guess();
    const stored = async () =>
      (await events({ action: 'access_refused' })).filter(
        ({ clientAddress }) => clientAddress === '203.0.113.9',
      );
    await eventually(async () => (await stored()).length === 1, 'the first refusal');
    await log.flush();
    expect((await stored()).map(({ count }) => count)).toEqual([19, 1]);
  });

  /** Break it: in `RefusalLog.note`, raise MOST_KINDS. */
  it('counts the refusals of many addresses in one event', async () => {
    const log = app.app.get(RefusalLog, { strict: false });
    await log.flush();
    const before = await count();
    for (let host = 0; host < 300; host += 1) {
      await fetch(`${app.url}/API/ApiKeys`, {
        headers: { 'x-forwarded-for': `10.8.${Math.floor(host / 200)}.${host % 200}` },
      });
    }
    await eventually(async () => (await count()) === before + 200, 'two hundred events');
    await log.flush();
    const [last] = await events({ action: 'access_refused' });
    expect(last.details).toEqual({ sources: 'many' });
    expect(last.count).toBe(100);
    expect(await count()).toBe(before + 201);
  });
  const count = async () => Number((await client.query('SELECT count(*) FROM audit_log')).rows[0].count);

  /** Break it: in `selectAuditEvents`, leave out a condition. */
  it('finds events by actor, action and time, page by page', async () => {
    const cookie = await signIn(app, 'operator', 'ada@example.org');
    for (let round = 0; round < 3; round += 1) {
      const id = await insertBatch(client, importProcessId, { status: 'in_progress', records: [] });
      await submit(app, `/imports/${id}/pause`, {}, { cookie });
    }
    const mine = { actor: 'ADA@example.org', action: 'batch_status_changed' };
    expect((await events(mine)).map(({ details }) => details.action)).toEqual(['pause', 'pause', 'pause']);
    const first = await api.get(`/API/Audit?${new URLSearchParams({ ...mine, limit: '2' })}`);
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect(first.body.items).toHaveLength(2);
    expect(first.headers.get('link')).toContain('rel="next"');
    const rest = await events({ ...mine, limit: '2', after: first.body.nextCursor });
    expect(rest.map(({ details }) => details.action)).toEqual(['pause']);
    const today = new Date().toISOString().slice(0, 10);
    expect(await events({ ...mine, from: today, to: today })).toHaveLength(3);
    expect(await events({ ...mine, to: first.body.items[1].at })).toHaveLength(1);
    expect(await events({ ...mine, from: '2999-01-01' })).toEqual([]);
    expect((await api.get('/API/Audit?from=yesterday')).status).toBe(400);
  });

  /** Break it: in `AuditTrail.export`, read one page only. */
  it('streams every event as JSON Lines, and records that', async () => {
    await client.query(
      `INSERT INTO audit_log (actor, action, details) SELECT 'user:7', 'stored_by_the_test', '{}' FROM generate_series(1, 1200)`,
    );
    const { headers, body } = await api.get('/API/Audit?format=jsonl&action=stored_by_the_test');
    expect(headers.get('content-type')).toContain('application/jsonl');
    expect(headers.get('cache-control')).toBe('no-store');
    const lines = String(body)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(1200);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(1200);
    expect((await events({ action: 'audit_exported' }))[0].details).toEqual({ action: 'stored_by_the_test' });
  });

  /** Break it: in `Mailbox.resend`, leave out `writeAudit`. */
  it('records messages sent again, exports of instances and moved import processes', async () => {
    const id = await endedBatch();
    const { rows } = await client.query(
      `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status)
       VALUES ('batch_mail', $1, 'failure', 'owner@example.org', 'failed') RETURNING outbox_id`,
      [id],
    );
    const cookie = await signIn(app);
    await submit(app, `/mail/${rows[0].outbox_id}/resend`, {}, { cookie });
    await api.get('/API/Workflows/grant-role/Instances/Export');
    await api.setUp();
    for (const way of ['up', 'down'])
      await submit(app, `/file-types/${importProcessId}/${way}`, {}, { cookie });
    expect((await events({ action: 'mail_resent' }))[0]).toMatchObject({ object: `batch:${id}` });
    expect((await events({ action: 'instances_exported' }))[0]).toMatchObject({
      object: 'workflow:grant-role',
    });
    expect(await events({ action: 'import_process_moved' })).not.toEqual([]);
  });

  /** Break it: in the view, leave out the filter or the download. */
  it('is a page with filters and a download for administrators only', async () => {
    const page = async (cookie: string, path = '/audit') => fetch(app.url + path, { headers: { cookie } });
    const shown = await page(await signIn(app), '/audit?action=signed_in&actor=&from=&to=');
    const html = await shown.text();
    expect(shown.headers.get('cache-control')).toBe('no-store');
    expect(html).toContain('Signed in');
    expect(html).toContain('administrator@example.org');
    expect(html).toContain('/API/Audit?action&#x3D;signed_in&amp;format&#x3D;jsonl');
    expect((await page(await signIn(app, 'operator'))).status).toBe(403);
  });
});

describe('the roles of the database', () => {
  const PASSWORD = 'of-the-test';
  const blocks = [
    ...readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8').matchAll(
      /```sql\n(.*?)```/gs,
    ),
  ].map(([, sql]) => sql!);

  /** Break it: in docs/operations.md, leave out REVOKE; in `AuditKeeper.sql`, answer the application's connection. */
  it('let the service write the audit log, and only retention change it', async () => {
    const suffix = randomBytes(4).toString('hex');
    const named = (sql: string) => sql.replace(/\bwiq_(migrate|run|audit)\b/g, `wiq_$1_${suffix}`);
    const database = await createTestDatabase();
    const connect = async (connectionString: string) => {
      const connection = new Client({ connectionString });
      await connection.connect();
      return connection;
    };
    const as = (role: string) => {
      const url = new URL(database.url);
      url.username = named(role);
      url.password = PASSWORD;
      return url.toString();
    };
    const owner = await connect(database.url);
    try {
      for (const block of blocks) await owner.query(named(block));
      for (const role of ['wiq_run', 'wiq_audit']) {
        await owner.query(`ALTER ROLE ${named(role)} PASSWORD '${PASSWORD}'`);
      }
      const app = await createApp(
        loadConfig({
          DATABASE_URL: as('wiq_run'),
          AUDIT_DATABASE_URL: as('wiq_audit'),
          REDIS_URL: process.env.REDIS_URL,
          QUEUE_PREFIX: database.name,
          MIGRATE_ON_START: 'false',
          LOG_LEVEL: 'error',
          BOOTSTRAP_API_KEY: TEST_API_KEY,
          AUDIT_RETENTION_DAYS: '30',
          RECONCILE_INTERVAL_MS: '500',
          RETENTION_INTERVAL_MS: '86400000',
        }),
      );
      await app.listen(0, '127.0.0.1');
      const run = await connect(as('wiq_run'));
      try {
        const { port } = app.getHttpServer().address() as AddressInfo;
        const api = new ImportClient(`http://127.0.0.1:${port}`);
        const { body } = await api.createBatch(jsonl([member(1)]), { importProcessId: await api.setUp() });
        expect(await api.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({ status: 'completed' });
        expect((await api.get('/API/Audit')).body.items.length).toBeGreaterThan(0);
        for (const sql of [
          'DELETE FROM audit_log',
          `UPDATE audit_log SET actor = 'x'`,
          'TRUNCATE audit_log',
        ]) {
          await expect(run.query(sql)).rejects.toThrow('permission denied');
        }
        expect((await examine(run, NOTES)).map(({ invariant }) => invariant.code)).toEqual([]);
        expect((await examine(owner, NOTES)).map(({ invariant }) => invariant.code)).toContain(
          'audit_log_can_be_changed',
        );
        await owner.query(`INSERT INTO audit_log (action, details, happened_at)
          VALUES ('long_ago', '{}', now() - interval '31 days')`);
        const sweep = await app.get(RetentionSweeper, { strict: false }).sweep();
        expect(sweep).toMatchObject({ auditEvents: 1 });
      } finally {
        await run.end();
        await app.close();
      }
    } finally {
      await owner.end();
      await database.drop();
      const server = await connect(process.env.DATABASE_URL!);
      for (const role of ['migrate', 'run', 'audit']) {
        await server.query(`DROP ROLE IF EXISTS wiq_${role}_${suffix}`);
      }
      await server.end();
    }
  });
});
