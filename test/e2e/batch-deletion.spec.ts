import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { insertBatch } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('POST …/Batches/{id}/Delete', () => {
  let app: TestApp;
  let api: ImportClient;
  let sql: Client;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ CHUNK_SIZE: '2' });
    api = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    importProcessId = await api.setUp();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const path = (id: number, rest = '') => `/API/WorkflowImportQueue/Batches/${id}${rest}`;
  /** The tables that still hold something of the batch. */
  const holding = async (id: number) => {
    const tables = [
      'import_queue_line',
      'import_queue_outcome',
      'import_queue_chunk',
      'import_queue_preview',
      'outbox',
    ];
    const counts = await Promise.all(
      tables.map(async (table) => {
        const { rows } = await sql.query(
          `SELECT count(*)::int AS count FROM ${table} WHERE workflow_import_queue_batch_id = $1`,
          [id],
        );
        return [table, rows[0].count] as const;
      }),
    );
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  };
  const endedUpload = async () => {
    const rows = ['a@example.org,Ada', 'secret value,Bad', 'c@example.org,Cy', 'd@example.org,'];
    const { body } = await api.upload(`:Email,First Name\n${rows.join('\n')}\n`, {
      importProcessId,
      sendFailureEmailTo: 'owner@example.org',
    });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await api.post(path(id, '/Confirm'));
    await api.ended(id);
    await eventually(async () => {
      const { rows } = await sql.query(
        `SELECT FROM outbox WHERE workflow_import_queue_batch_id = $1 AND status = 'not_sent_no_smtp'`,
        [id],
      );
      return rows.length > 0;
    }, 'the mail to be written');
    return id;
  };

  /** Break it: in `deleteStep`, leave out `deletePreview`, `deleteBatchMails` or `errorGroups`. */
  it('deletes records, previews, mails and quoted values, and keeps the batch with its counts', async () => {
    const id = await endedUpload();
    const before = await api.batch(id);
    expect(before.links).toHaveProperty('delete', path(id, '/Delete'));
    expect(Object.keys(await holding(id))).toHaveLength(5);
    const deleted = await api.post(path(id, '/Delete'));
    expect(deleted.status).toBe(202);
    expect(await holding(id)).toEqual({});
    const after = await api.get(path(id));
    expect(after.status).toBe(200);
    expect(after.body).toMatchObject({ status: before.status, recordCounts: before.recordCounts });
    expect(after.body.expiredAt).toEqual(expect.any(String));
    expect(after.body.links).not.toHaveProperty('delete');
    expect(after.body.links).not.toHaveProperty('retryFailed');
    const { rows } = await sql.query(
      'SELECT to_jsonb(b)::text AS batch FROM import_queue_batch b WHERE workflow_import_queue_batch_id = $1',
      [id],
    );
    expect(rows[0].batch).not.toMatch(/secret value|owner@example/);
  });

  /** Break it: in `PreviewService.page`, read the row without records. */
  it('answers 410 afterwards wherever records are read or sent again', async () => {
    const id = await endedUpload();
    await api.post(path(id, '/Delete'));
    for (const rest of ['/Records', '/Results', '/Preview', '/ErrorGroups']) {
      const { status, body } = await api.get(path(id, rest));
      expect([rest, status, body.code]).toEqual([rest, 410, 'batch_expired']);
    }
    const { status, body } = await api.post(path(id, '/RetryFailed'));
    expect([status, body.code]).toEqual([410, 'batch_expired']);
    expect((await api.post(path(id, '/Delete'))).status).toBe(202);
    expect((await api.get('/API/Audit?action=batch_deleted')).body.items[0]).toMatchObject({
      object: `batch:${id}`,
      actor: 'api-key:1',
    });
  });

  /** Break it: in `BatchDeletionService.delete`, leave out the status. */
  it('refuses a batch that has not ended', async () => {
    const id = await insertBatch(sql, importProcessId, {
      status: 'paused',
      records: [{ line: 1, status: 'pending', payload: JSON.stringify(member(1)) }],
    });
    const { status, body } = await api.post(path(id, '/Delete'));
    expect([status, body.code, body.currentStatus]).toEqual([409, 'state_conflict', 'paused']);
    expect(await holding(id)).toHaveProperty('import_queue_line', 1);
  });

  /** Break it: in `PAGE_ACTIONS`, leave out `delete`. */
  it('is a button that asks first, on the page of the import', async () => {
    const { body } = await api.createBatch(jsonl([member(1)]), { importProcessId });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await api.ended(id);
    const page = async (cookie: string) =>
      (await fetch(`${app.url}/imports/${id}`, { headers: { cookie } })).text();
    const cookie = await signIn(app, 'operator');
    expect(await page(await signIn(app, 'viewer'))).not.toContain('Delete the records of this import?');
    expect(await page(cookie)).toContain('Delete the records of this import?');
    expect((await submit(app, `/imports/${id}/delete`, {}, { cookie })).status).toBe(303);
    expect(await page(cookie)).toContain('The records of this import were deleted');
    expect(await holding(id)).toEqual({});
  });
});
