import { Client } from 'pg';
import { RetentionSweeper } from '../../src/operations/retention-sweeper.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The test calls the sweep; its own interval is a day. */
const ENVIRONMENT = { RETENTION_DAYS: '30', RETENTION_INTERVAL_MS: '86400000', CHUNK_SIZE: '2' };

describe('a batch past its retention', () => {
  let test: TestApp;
  let sql: Client;
  let client: ImportClient;
  let importProcessId: number;
  let sweeper: RetentionSweeper;
  let people = 0;

  beforeAll(async () => {
    test = await startTestApp(ENVIRONMENT);
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sweeper = test.app.get(RetentionSweeper, { strict: false });
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  /** A batch of five good rows and a bad one that ended this many days ago. */
  const endedBatch = async (days: number, process = importProcessId): Promise<number> => {
    const rows = Array.from({ length: 5 }, () => member((people += 1)));
    const bad = member((people += 1), { 'First Name': undefined });
    const { body } = await client.createBatch(jsonl([...rows, bad]), {
      importProcessId: process,
      sendFailureEmailTo: 'owner@example.org',
    });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await client.ended(id);
    await sql.query(
      `UPDATE import_queue_batch SET finished_at = now() - $2 * interval '1 day' WHERE workflow_import_queue_batch_id = $1`,
      [id, days],
    );
    return id;
  };
  const path = (id: number, rest = '') => `/API/WorkflowImportQueue/Batches/${id}${rest}`;
  const left = async (id: number) => {
    const { rows } = await sql.query(
      `SELECT (SELECT count(*) FROM import_queue_record WHERE workflow_import_queue_batch_id = $1)::int AS records,
              (SELECT count(*) FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1)::int AS chunks,
              (SELECT count(*) FROM outbox WHERE kind = 'batch_mail' AND workflow_import_queue_batch_id = $1)::int AS notifications`,
      [id],
    );
    return rows[0];
  };
  /** The time that is left to downloads under way is over. */
  const passGrace = () =>
    sql.query(`UPDATE import_queue_batch SET expired_at = expired_at - interval '2 days'`);

  /** Break it: in `sweep`, leave out `abandonUnconfirmed`. */
  it('covers an upload that no one confirmed: it is abandoned, and its retention begins', async () => {
    const { body } = await client.upload(jsonl([member((people += 1))]), { importProcessId });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    expect(await sweeper.sweep()).toMatchObject({ abandoned: 0 });
    await sql.query(
      `UPDATE import_queue_batch SET created_at = now() - interval '8 days' WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    expect(await sweeper.sweep()).toMatchObject({ abandoned: 1 });
    expect((await client.get(path(id))).body).toMatchObject({
      status: 'canceled',
      finishedAt: expect.any(String),
      recordCounts: { total: 1, canceled: 1 },
    });
  });

  /** Break it: in `sweep`, leave out `cancelLongPaused`; in `lockLongPaused`, ask for `created_at` alone. */
  it('covers a batch that stays paused: it is canceled, and its retention begins', async () => {
    const later = new Date(Date.now() + 3600_000).toISOString();
    const { body } = await client.createBatch(jsonl([member((people += 1))]), {
      importProcessId,
      notBefore: later,
    });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    const createdDaysAgo = (days: number) =>
      sql.query(
        `UPDATE import_queue_batch SET created_at = now() - $2 * interval '1 day' WHERE workflow_import_queue_batch_id = $1`,
        [id, days],
      );
    // It was created long ago and paused just now.
    await createdDaysAgo(400);
    await client.post(path(id, '/Pause'));
    expect(await sweeper.sweep()).toMatchObject({ canceled: 0 });
    await createdDaysAgo(431);
    expect(await sweeper.sweep()).toMatchObject({ canceled: 1 });
    expect(await client.ended(id)).toMatchObject({
      status: 'canceled',
      recordCounts: { total: 1, canceled: 1 },
    });
  });

  /** Break it: in `BatchReader`, leave out `batchExpired`. */
  it('answers 410 from the moment it expires, with its counts still to be read', async () => {
    const id = await endedBatch(31);
    expect(await sweeper.sweep()).toMatchObject({ expired: 1, records: 0 });

    for (const rest of ['/Records', '/Results?set=all&format=csv', '/Results?set=failed&format=jsonl']) {
      expect(await client.get(path(id, rest))).toMatchObject({
        status: 410,
        body: { code: 'batch_expired' },
      });
    }
    expect(await client.post(path(id, '/RetryFailed'))).toMatchObject({
      status: 410,
      body: { code: 'batch_expired' },
    });
    const { status, body } = await client.get(path(id));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'completed_with_errors',
      expiredAt: expect.any(String),
      recordCounts: { total: 6, succeeded: 5, invalid: 1, pending: 0 },
    });
    expect(body.links.retryFailed).toBeUndefined();
  });

  /** Break it: in `nextBatchToEmpty`, give no time. */
  it('is emptied after running downloads have had their time, and keeps its row', async () => {
    const id = await endedBatch(31);
    await sweeper.sweep();
    expect(await left(id)).toEqual({ records: 6, chunks: 3, notifications: 1 });
    await passGrace();
    await sweeper.sweep();
    expect(await left(id)).toEqual({ records: 0, chunks: 0, notifications: 0 });
    expect((await client.get(path(id))).body.recordCounts).toMatchObject({
      total: 6,
      succeeded: 5,
      invalid: 1,
    });
    const { items } = (await client.get('/API/WorkflowImportQueue/Batches')).body;
    expect(items.map((item: any) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toContain(id);
  });

  /** Break it: in `batchView`, let no batch be expired. */
  it('still has its page, without a file to download', async () => {
    const id = await endedBatch(31);
    await sweeper.sweep();
    expect((await client.get(`/imports/${id}`)).body).toContain(
      'The records of this import were deleted 31 days after it ended',
    );
    await passGrace();
    await sweeper.sweep();
    const { status, body: page } = await client.get(`/imports/${id}`);
    expect(status).toBe(200);
    expect(page).toMatch(/5 succeeded \+ 1 invalid|1 invalid \+ 5 succeeded/);
    expect(page).not.toMatch(/\/(results|records|fix)\b/);
    expect(page).not.toContain('There are no such records');
    for (const rest of ['/fix', '/records/1']) {
      expect((await client.get(`/imports/${id}${rest}`)).status).toBe(410);
    }
    expect((await client.get('/imports')).body).toMatch(
      new RegExp(`id="batch-${id}"(?:(?!</tr>)[^])*records deleted`),
    );
    expect((await client.get(`/imports/${id}/results?set=all&format=csv`)).status).toBe(410);
  });

  /** Break it: in `expireBatches`, let every batch that has ended be old enough. */
  it('is not reported as gone before it is', async () => {
    const id = await endedBatch(29);
    await sweeper.sweep();
    const { body: page } = await client.get(`/imports/${id}`);
    expect(page).toContain(`/imports/${id}/results`);
    expect(page).not.toContain('were deleted');
    expect((await client.get('/imports')).body).not.toMatch(
      new RegExp(`id="batch-${id}"(?:(?!</tr>)[^])*records deleted`),
    );
  });

  /** Break it: in `expireBatches`, leave out `p.retention_days`. */
  it('follows the retention of its import process, if it has one', async () => {
    const short = await client.setUp(undefined, {}, { retentionDays: 2 });
    const forever = await client.setUp(undefined, {}, { retentionDays: 0 });
    const [gone, kept, young] = [
      await endedBatch(3, short),
      await endedBatch(4000, forever),
      await endedBatch(29),
    ];
    await sweeper.sweep();
    expect((await client.get(path(gone, '/Records'))).status).toBe(410);
    expect((await client.get(path(kept, '/Records'))).status).toBe(200);
    expect((await client.get(path(young, '/Records'))).status).toBe(200);
    const shown = (await client.get(`/API/WorkflowImportQueue/ImportProcesses/${short}`)).body;
    expect(shown.retentionDays).toBe(2);
  });

  /** Break it: in `expireBatches`, ask for `created_at`. */
  it('does not apply to an unfinished batch, however old', async () => {
    const { body } = await client.createBatch(jsonl([member((people += 1))]), { importProcessId });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await client.ended(id);
    await sql.query(
      `UPDATE import_queue_batch SET status = 'paused', finished_at = NULL, created_at = now() - interval '1 year'
        WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    await sweeper.sweep();
    expect((await client.get(path(id, '/Records'))).status).toBe(200);
  });

  const ENDED = ['failed', 'not_sent_no_smtp', 'sent'];
  /** A mail of each status, owed by the batch (or by none), that ended this many days ago; nothing may send it now. */
  const storeMails = async (batchId: number | null, days: number): Promise<void> => {
    await sql.query(
      `INSERT INTO outbox (workflow_instance_id, workflow_import_queue_batch_id, line_number, behavior_number,
                                    action, kind, recipient, status, next_attempt_at, locked_until, sent_at, ended_at)
       SELECT 1, $1::bigint, $1 * 0 + 1, number, 'Grant', 'behavior_mail', 'person@example.org', status,
              now() + interval '1 day', CASE WHEN status = 'sending' THEN now() + interval '1 day' END,
              CASE WHEN status = 'sent' THEN ended END, CASE WHEN status = ANY ($3) THEN ended END
         FROM unnest($3::text[] || '{pending,sending}') WITH ORDINALITY AS owed (status, number),
              (SELECT now() - $2 * interval '1 day' AS ended) past`,
      [batchId, days, ENDED],
    );
  };
  const mailsOf = async (batchId: number | null): Promise<string[]> => {
    const { rows } = await sql.query<{ status: string }>(
      `SELECT status FROM outbox WHERE workflow_instance_id IS NOT NULL AND workflow_import_queue_batch_id IS NOT DISTINCT FROM $1 ORDER BY status`,
      [batchId],
    );
    return rows.map(({ status }) => status);
  };

  /** Break it: in `RetentionSweeper.deleteBehaviors`, leave out `deleteBehaviorsOfBatch`. */
  it('also deletes the messages of its records, however they ended, and none that is still owed', async () => {
    const short = await client.setUp(undefined, {}, { retentionDays: 2 });
    const [gone, young] = [await endedBatch(3, short), await endedBatch(29)];
    await storeMails(gone, 3);
    await storeMails(young, 4000);
    await sweeper.sweep();
    expect(await mailsOf(gone)).toHaveLength(5);
    await passGrace();
    expect(await sweeper.sweep()).toMatchObject({ behaviors: 3 });
    expect(await mailsOf(gone)).toEqual(['pending', 'sending']);
    expect(await mailsOf(young)).toHaveLength(5);

    await sql.query(
      `UPDATE outbox SET status = 'sent'
        WHERE workflow_import_queue_batch_id = $1 AND workflow_instance_id IS NOT NULL AND status = 'pending'`,
      [gone],
    );
    expect(await sweeper.sweep()).toMatchObject({ behaviors: 1 });
    expect(await mailsOf(gone)).toEqual(['sending']);
  });

  /** Break it: in `HAS_ENDED`, know of `sent` only. */
  it('also deletes messages of actions without a batch that are as old, however they ended', async () => {
    await storeMails(null, 31);
    await storeMails(null, 29);
    expect(await sweeper.sweep()).toMatchObject({ behaviors: 3 });
    expect(await mailsOf(null)).toEqual([...ENDED, 'pending', 'sending', 'pending', 'sending'].sort());
    expect(await sweeper.sweep()).toMatchObject({ behaviors: 0 });
  });

  /** Break it: in `RetentionSweeper.sweep`, leave out `deleteIdempotencyKeys`. */
  it('also deletes old idempotency keys, and keeps those of today', async () => {
    const headers = (key: string) => ({ 'content-type': 'application/jsonl', 'idempotency-key': key });
    const send = (key: string) =>
      client.createBatch(jsonl([member((people += 1))]), { importProcessId }, headers(key));
    await send('of-last-week');
    await send('of-today');
    await sql.query(
      `UPDATE idempotency_key SET created_at = now() - interval '8 days', locked_until = now() - interval '8 days'
        WHERE key = 'of-last-week'`,
    );
    expect(await sweeper.sweep()).toMatchObject({ keys: 1 });
    const { rows } = await sql.query('SELECT key FROM idempotency_key');
    expect(rows).toEqual([{ key: 'of-today' }]);
  });

  /** Break it: in `deleteEndedSessions`, find none. */
  it('also deletes sessions that have ended, and keeps the others', async () => {
    const { rows: users } = await sql.query<{ user_id: number }>(
      `INSERT INTO app_user (email, password_hash, role, created_by)
       VALUES ('gone@example.org', 'x', 'viewer', 'test') RETURNING user_id`,
    );
    await sql.query(
      `INSERT INTO user_session (session_hash, user_id, created_at, last_seen_at)
       SELECT sha256(name::bytea), $1, now() - old, now() - unused
         FROM (VALUES ('unused', interval '13 hours', interval '13 hours'),
                      ('old', interval '8 days', interval '1 minute'),
                      ('used', interval '6 days', interval '11 hours')) AS session (name, old, unused)`,
      [users[0]!.user_id],
    );
    expect(await sweeper.sweep()).toMatchObject({ sessions: 2 });
    const { rows } = await sql.query(`SELECT session_hash = sha256('used'::bytea) AS used FROM user_session`);
    expect(rows).toEqual([{ used: true }]);
  });

  /** Break it: in `tryRetentionLock`, answer true. */
  it('is worked on by one worker at a time', async () => {
    await sql.query('BEGIN');
    await sql.query('SELECT pg_advisory_xact_lock(7163003, 0)');
    expect(await sweeper.sweep()).toBeNull();
    await sql.query('ROLLBACK');
    expect(await sweeper.sweep()).not.toBeNull();
  });
});
