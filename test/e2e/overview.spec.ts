import { getQueueToken } from '@nestjs/bull';
import type { Queue } from 'bull';
import { Client } from 'pg';
import { compactStatistics } from '../../src/batches/statistics.sql.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { CHUNK_QUEUE } from '../../src/platform/queue/queues.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the overview', () => {
  let app: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;
  let administrator: string;
  let operator: string;
  let failedId: number;

  beforeAll(async () => {
    app = await startTestApp({ CHUNK_SIZE: '10', DATABASE_POOL_SIZE: '12' });
    client = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    importProcessId = await client.setUp(undefined, {}, { name: 'Members' });
    administrator = await signIn(app);
    operator = await signIn(app, 'operator');
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const page = (path: string, cookie: string) =>
    fetch(app.url + path, { redirect: 'manual', headers: { cookie } });
  const html = async (path: string, cookie = administrator) => (await page(path, cookie)).text();
  const post = (path: string, cookie: string) => submit(app, path, {}, { cookie });
  const sums = async () => {
    const { rows } = await sql.query(
      `SELECT sum(batches)::int AS batches, sum(succeeded)::int AS succeeded, sum(failed)::int AS failed,
              sum(invalid)::int AS invalid, sum(skipped)::int AS skipped, sum(canceled)::int AS canceled,
              (SELECT sum(count) FROM import_queue_statistics CROSS JOIN unnest(durations) count)::int AS durations
         FROM import_queue_statistics WHERE import_process_id <> 0`,
    );
    return rows[0];
  };
  const sumsOfBatches = async () => {
    const { rows } = await sql.query(
      `SELECT count(*)::int AS batches, sum(succeeded_count)::int AS succeeded, sum(failed_count)::int AS failed,
              sum(invalid_count)::int AS invalid, sum(skipped_count)::int AS skipped,
              sum(canceled_count)::int AS canceled, count(*)::int AS durations
         FROM import_queue_batch WHERE finished_at IS NOT NULL AND (upload IS NULL OR started_at IS NOT NULL)`,
    );
    return rows[0];
  };
  const create = async (body: string) =>
    (await client.createBatch(body, { importProcessId })).body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;

  it('leads operators and administrators to the overview, and viewers to their imports', async () => {
    const viewer = await signIn(app, 'viewer');
    const first = async (cookie: string) => (await page('/', cookie)).headers.get('location');
    expect([await first(administrator), await first(operator), await first(viewer)]).toEqual([
      '/overview',
      '/overview',
      '/imports',
    ]);
    expect(await html('/overview')).toContain('Nothing was imported in this period.');
  });

  /** Break it: in `countingChunk`, leave out `canceled`; in `countingEnd`, count abandoned uploads. */
  it('counts every record in the hour of its outcome, exactly', async () => {
    const many = await create(jsonl(Array.from({ length: 500 }, (_, n) => member(n))));
    failedId = await create(jsonl([member(1), { ':UniqueId': 'X-1' }, { nonsense: 1 }, member(2)]));
    await Promise.all([many, failedId].map((id) => client.ended(id)));
    await client.post(`/API/WorkflowImportQueue/Batches/${failedId}/RetryFailed`);
    const upload = await client.upload(':UniqueId,First Name\nM-1,Ada\n', { importProcessId });
    await client.act(upload, 'Abandon');
    const canceled = await create(jsonl(Array.from({ length: 200 }, (_, n) => member(1_000 + n))));
    await client.post(`/API/WorkflowImportQueue/Batches/${canceled}/Cancel`);
    await client.ended(canceled);
    await eventually(async () => {
      const { rows } = await sql.query(
        `SELECT FROM import_queue_batch WHERE status IN ('queued', 'in_progress', 'canceling')`,
      );
      return rows.length === 0;
    }, 'all batches to end');
    const counted = await sums();
    expect(counted).toEqual(await sumsOfBatches());
    expect(counted).toMatchObject({ batches: 4 });
  });

  /** Break it: in `compactStatistics`, leave out the batches that took long; add the old row again. */
  it('makes one row of the hours that have passed, and loses nothing', async () => {
    await sql.query(`UPDATE import_queue_statistics SET hour = hour - interval '3 hours'`);
    const before = await sums();
    const compact = () =>
      app.app.get(DatabaseService).transaction((transaction) => compactStatistics(transaction));
    await compact();
    expect(await compact()).toBe(0);
    await sql.query(
      `INSERT INTO import_queue_statistics (hour, import_process_id, shard, batches, durations, slowest_ms, slowest_batch_id)
       SELECT hour, import_process_id, 7, 1, '{0,0,0,1}', 9000000, $1 FROM import_queue_statistics
        WHERE import_process_id <> 0`,
      [failedId],
    );
    expect(await compact()).toBe(1);
    expect(await sums()).toEqual({ ...before, batches: before.batches + 1, durations: before.durations + 1 });
    const { rows } = await sql.query(
      'SELECT shard, slowest_batch_id AS slowest FROM import_queue_statistics WHERE import_process_id <> 0',
    );
    expect(rows).toEqual([{ shard: -1, slowest: failedId }]);
  });

  it('shows rows per hour with a table behind them, file types, workers and storage', async () => {
    const text = await html('/overview');
    expect(text).toMatch(/Rows per hour<\/h2>/);
    expect(text.match(/<rect class="layer-good"/g)).toHaveLength(1);
    expect(text).toMatch(/Members<\/a>/);
    expect(text).toContain(`<a href="/imports/${failedId}">2 h 30 min</a>`);
    expect(text).toContain('0 of 4 slots in use');
    expect(await html('/overview?span=30d')).toContain('Rows per 6 hours');
    expect((await page('/overview?span=1y', administrator)).status).toBe(400);
  });

  /** Break it: leave out `markViewed` in the controller. */
  it('lists failures until someone has viewed them', async () => {
    expect(await html('/overview')).toContain('2 imports with failures that no one has viewed');
    await html(`/imports/${failedId}`, operator);
    expect(await html('/overview')).toContain('1 import with failures that no one has viewed');
    expect((await post('/overview/viewed', operator)).status).toBe(303);
    expect(await html('/overview')).toContain('Nothing needs attention.');
  });

  it('shows a paused queue on every page, in the readiness and to be resumed', async () => {
    const queue = app.app.get<Queue>(getQueueToken(CHUNK_QUEUE), { strict: false });
    await queue.pause();
    await eventually(
      async () => (await html('/imports')).includes('A person paused the queue of imports.'),
      'the notice on a page',
    );
    const ready = await client.get('/health/ready');
    expect([ready.status, ready.body.checks.queues]).toEqual([
      200,
      { status: 'degraded', reason: 'paused: import-chunks' },
    ]);
    const waiting = await create(jsonl([member(1)]));
    const waitingFor = { reason: 'queue_paused', batchesAhead: null };
    expect(await client.batch(waiting)).toMatchObject({ status: 'queued', waitingFor });
    const { items } = (await client.get('/API/WorkflowImportQueue/Batches?limit=1')).body;
    expect(items).toMatchObject([{ WORKFLOW_IMPORT_QUEUE_BATCH_ID: waiting, waitingFor }]);
    expect(await html(`/imports/${waiting}`)).toContain(
      'This import waits until the queue of imports is resumed.',
    );
    expect(await html('/overview', operator)).toContain('/overview/queues/import-chunks/resume');
    expect((await post('/overview/queues/import-chunks/resume', await signIn(app, 'viewer'))).status).toBe(
      403,
    );
    expect((await post('/overview/queues/nothing/resume', operator)).status).toBe(404);
    expect((await post('/overview/queues/import-chunks/resume', operator)).status).toBe(303);
    expect(await client.ended(waiting)).toMatchObject({ status: 'completed' });
    expect(await html('/overview')).not.toContain('queue-paused');
    expect((await client.get('/API/Audit?action=queue_resumed')).body.items).toMatchObject([
      { object: 'queue:import-chunks' },
    ]);
  });

  /** Break it: in `selectBatches`, leave out `created_at < $12`. */
  it('lists imports by date and by the one who created them', async () => {
    const today = new Date().toISOString().slice(0, 10);
    const count = async (query: string) =>
      (await client.get(`/API/WorkflowImportQueue/Batches?${query}`)).body.items.length as number;
    const all = await count('');
    const { rows } = await sql.query('SELECT DISTINCT created_by AS id FROM import_queue_batch');
    expect(rows).toHaveLength(1);
    expect([
      await count(`createdAfter=${today}&createdBefore=${today}`),
      await count('createdBefore=2020-01-01'),
      await count('createdAfter=2120-01-01T00:00:00Z'),
      await count(`createdBy=${rows[0].id}`),
      await count('createdBy=operator@example.org'),
    ]).toEqual([all, 0, 0, all, 0]);
    const text = await html(`/imports?createdBy=${rows[0].id}&createdAfter=${today}`);
    expect(text).toContain(`<input class="form-control" type="date" name="createdAfter" value="${today}">`);
    expect(text).toMatch(/class="file-type-strip"[\s\S]*Members <svg class="spark"/);
  });

  it('is limited to the file types of the user', async () => {
    const limited = await signIn(app, 'operator', 'limited@example.org');
    await sql.query(`UPDATE app_user SET import_process_ids = '{999}' WHERE email = 'limited@example.org'`);
    const text = await html('/overview', limited);
    expect(text).not.toContain('Members');
    expect(text).toContain('Nothing was imported in this period.');
    expect((await post('/overview/queues/import-chunks/resume', limited)).status).toBe(403);
  });
});

describe('the settings', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ SESSION_SECRET: 'a-very-secret-session-secret', RETENTION_DAYS: '30' });
  });
  afterAll(() => app?.close());

  /** Break it: leave `databaseUrl` out of `URLS`; `sessionSecret` out of `SECRETS`. */
  it('are shown to administrators, without secrets', async () => {
    const sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    await sql.query(
      `INSERT INTO audit_log (action, details) VALUES ('doctor_ran', '{"examined": 30, "violated": ["counts"]}')`,
    );
    await sql.end();
    const open = async (cookie: string) => fetch(`${app.url}/settings`, { headers: { cookie } });
    expect((await open(await signIn(app, 'operator'))).status).toBe(403);
    const text = await (await open(await signIn(app))).text();
    expect(text).toContain('1 invariant does not hold.');
    expect(text).toContain('<dd>30 days</dd>');
    expect(text).toMatch(/<code>DATABASE_URL<\/code><\/th><td class="value">postgres:\/\/127\.0\.0\.1/);
    expect(text).toMatch(/<code>SESSION_SECRET<\/code><\/th><td class="value">set, not shown/);
    expect(text).toMatch(/<code>MAX_RECORDS<\/code><\/th><td class="value">10000000/);
    expect(text).not.toMatch(/a-very-secret|postgres@/);
  });
});
