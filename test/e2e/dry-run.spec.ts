import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { RetentionSweeper } from '../../src/operations/retention-sweeper.js';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('CreateBatch?validate=true', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  let sql: Client;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '2', RETENTION_DAYS: '0', RETENTION_INTERVAL_MS: '86400000' });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const dryRun = async (rows: unknown[], headers?: Record<string, string>): Promise<Answer> =>
    client.createBatch(
      jsonl(rows),
      {
        importProcessId,
        validate: 'true',
        sendSuccessEmailTo: 'a@example.org',
        sendFailureEmailTo: 'a@example.org',
      },
      { 'content-type': 'application/jsonl', ...headers },
    );
  const self = (answer: Answer) => answer.body.links.self as string;

  /** Break it: in `ImportQueueService.store`, go on to `scheduler.advance`; in `arrive`, leave out `NOTHING_PROCESSED`. */
  it('answers what a batch would do, and does nothing', async () => {
    const known = await client.createBatch(jsonl([member(1), member(2)]), { importProcessId });
    await client.ended(known.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);

    const answer = await dryRun([
      member(1),
      member(2, { Level: 'Associate' }),
      member(3),
      member(4, { Level: 'Knight' }),
    ]);
    expect(answer).toMatchObject({
      status: 202,
      body: { status: 'validated', recordCounts: { total: 4, invalid: 1 } },
    });
    const { body } = await client.get(self(answer));
    expect(body).toMatchObject({
      status: 'validated',
      finishedAt: expect.any(String),
      createdFrom: null,
      understood: null,
      recordCounts: { total: 4, invalid: 1, pending: 3, succeeded: 0 },
      summary: {
        valid: 3,
        invalid: 1,
        operations: { create: 1, update: 1, unchanged: 1, skip: 0, reject: 0 },
        fieldChanges: [{ field: 'Level', count: 1 }],
        errorGroups: [{ code: 'not_an_option', count: 1, sampleLine: 4 }],
      },
      links: { delete: `${self(answer)}/Delete` },
    });
    const preview = await client.get(`${self(answer)}/Preview`);
    expect(preview.body.items).toMatchObject([
      { line: 1, operation: 'unchanged' },
      { line: 2, operation: 'updated', changes: [{ field: 'Level', before: 'Fellow', after: 'Associate' }] },
      { line: 3, operation: 'created' },
      { line: 4, operation: 'invalid', error: { code: 'not_an_option' } },
    ]);
    const groups = await client.get(`${self(answer)}/ErrorGroups`);
    expect(groups.body.items).toMatchObject([{ code: 'not_an_option', count: 1, sampleLines: [4] }]);

    // A batch sent afterwards ends, so that the queue has had time for the dry run, too.
    const later = await client.createBatch(jsonl([member(9)]), { importProcessId });
    await client.ended(later.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const instances = await client.get('/API/Workflows/grant-role/Instances?identifier=:UniqueId:M-3');
    expect([instances.status, instances.body.items]).toEqual([200, []]);
    expect((await client.get(self(answer))).body.recordCounts).toEqual(body.recordCounts);
    const { rows } = await sql.query(
      'SELECT count(*)::int AS mails FROM outbox WHERE workflow_import_queue_batch_id = $1',
      [answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
    );
    expect(rows).toEqual([{ mails: 0 }]);
  });

  /** Break it: in batch-state.ts, allow `confirm` for `validated`; in `fixable`, let dry runs pass. */
  it('can only be deleted', async () => {
    const answer = await dryRun([member(20), member(21, { Level: 'Knight' })]);
    for (const action of ['Confirm', 'Abandon', 'Cancel', 'Pause', 'Resume', 'RetryFailed'])
      expect([action, (await client.post(`${self(answer)}/${action}`)).body.code]).toEqual([
        action,
        'state_conflict',
      ]);
    const fix = await client.post(`${self(answer)}/Fix`, { lines: { '2': { Level: 'Fellow' } } });
    expect(fix).toMatchObject({ status: 409, body: { code: 'state_conflict' } });
    expect(await client.post(`${self(answer)}/Delete`)).toMatchObject({ status: 202 });
    expect(await client.get(`${self(answer)}/Preview`)).toMatchObject({
      status: 410,
      body: { code: 'batch_expired' },
    });
    expect((await client.get(self(answer))).body).toMatchObject({
      status: 'validated',
      recordCounts: { total: 2, invalid: 1 },
    });
  });

  /** Break it: in `hashRequest`, leave out `validate`. */
  it('replays its answer under the same Idempotency-Key, but not for a real batch', async () => {
    const key = { 'idempotency-key': 'dry-1' };
    const first = await dryRun([member(30)], key);
    const again = await dryRun([member(30)], key);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    const real = await client.createBatch(
      jsonl([member(30)]),
      { importProcessId, sendSuccessEmailTo: 'a@example.org', sendFailureEmailTo: 'a@example.org' },
      { 'content-type': 'application/jsonl', ...key },
    );
    expect(real).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });

  it('refuses other values, and is not a parameter of Uploads', async () => {
    const wrong = await client.createBatch(jsonl([member(40)]), { importProcessId, validate: 'yes' });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } });
    const upload = await client.upload(jsonl([member(40)]), { importProcessId, validate: 'true' });
    expect(upload).toMatchObject({ status: 400, body: { code: 'unknown_parameter' } });
    const no = await client.createBatch(jsonl([member(40)]), { importProcessId, validate: 'false' });
    expect(no.body.status).toBe('queued');
    await client.ended(no.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });

  /** Break it: in `expireBatches`, leave out the condition for `validated`. */
  it('keeps its records and preview for 24 hours, even where batches are kept forever', async () => {
    const answer = await dryRun([member(50)]);
    const sweeper = test.app.get(RetentionSweeper, { strict: false });
    const endedHoursAgo = (hours: number) =>
      sql.query(
        `UPDATE import_queue_batch SET created_at = now() - $2 * interval '1 hour',
           finished_at = now() - $2 * interval '1 hour' WHERE workflow_import_queue_batch_id = $1`,
        [answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, hours],
      );
    await endedHoursAgo(23);
    await sweeper.sweep();
    expect((await client.get(`${self(answer)}/Preview`)).status).toBe(200);
    await endedHoursAgo(25);
    await sweeper.sweep();
    expect((await client.get(`${self(answer)}/Preview`)).status).toBe(410);
    expect((await client.get(self(answer))).body.recordCounts).toMatchObject({ total: 1, pending: 1 });
  });

  /** Break it: in personal-tables.ts, look for the person in the log only. */
  it('shows nothing of a person who was erased', async () => {
    const known = await client.createBatch(jsonl([member(55)]), { importProcessId });
    await client.ended(known.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    // The row names the person by the other identifier only.
    const answer = await dryRun([{ ':UniqueId': 'M-55', 'First Name': 'Other', Level: 'Associate' }]);
    const changes = async () => (await client.get(`${self(answer)}/Preview`)).body.items[0].changes;
    expect(await changes()).toContainEqual({ field: 'First Name', before: 'First 55', after: 'Other' });
    const erased = await client.post('/API/People/Erase', {
      identifier: { name: ':Email', value: 'person55@example.org' },
      mode: 'erase',
      dryRun: false,
    });
    expect(erased.status).toBe(200);
    expect(await changes()).toEqual([]);
  });

  it('shows its rows on a page that offers nothing to confirm', async () => {
    const answer = await dryRun([member(60), member(61, { Level: 'Knight' })]);
    const cookie = await signIn(test);
    const page = await fetch(`${test.url}/imports/${answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`, {
      headers: { cookie },
    });
    const html = await page.text();
    expect(html).toContain('This was a dry run: nothing was processed.');
    expect(html).toContain('Create <small>1</small>');
    expect(html).not.toMatch(/\/(confirm|abandon|read|columns)"/);
    const recent = await (
      await fetch(`${test.url}/imports?status=validated`, { headers: { cookie } })
    ).text();
    expect(recent).toContain('Dry run');
  });

  it('leaves a database in which every invariant holds', async () => {
    expect((await examine(sql, INVARIANTS)).map((found) => [found.invariant.code, found.rows])).toEqual([]);
  });
});
