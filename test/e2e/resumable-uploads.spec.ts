import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { RetentionSweeper } from '../../src/operations/retention-sweeper.js';
import { eventually } from '../support/eventually.js';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const MIB = 1024 * 1024;
const ROOT = '/API/WorkflowImportQueue';

describe('an upload in several requests', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;
  let people = 0;

  beforeAll(async () => {
    test = await startTestApp({
      RETENTION_INTERVAL_MS: '86400000',
      UNCONFIRMED_UPLOADS_PER_KEY: '20',
      MAX_BODY_BYTES: '6000000',
    });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const rows = (count: number) => jsonl(Array.from({ length: count }, () => member((people += 1))));
  const begin = async (
    route: 'CreateBatch' | 'Uploads',
    body: string | Uint8Array = '',
    headers: Record<string, string> = {},
    query = '',
  ): Promise<Answer & { path: string }> => {
    const answer = await client.call(
      'POST',
      `${ROOT}/${route}?fileName=a.jsonl&importProcessId=${importProcessId}${query}`,
      {
        body,
        headers: { 'upload-complete': '?0', 'content-type': 'application/jsonl', ...headers },
      },
    );
    return { ...answer, path: answer.headers.get('location') ?? '' };
  };
  const append = (path: string, offset: number, body: string | Uint8Array, complete: boolean, headers = {}) =>
    client.call('PATCH', path, {
      body,
      headers: {
        'content-type': 'application/partial-upload',
        'upload-offset': String(offset),
        'upload-complete': complete ? '?1' : '?0',
        ...headers,
      },
    });
  const head = async (path: string) => {
    const { status, headers } = await client.call('HEAD', path);
    return { status, offset: headers.get('upload-offset'), complete: headers.get('upload-complete') };
  };
  const batches = async () =>
    (await sql.query<{ count: number }>('SELECT count(*)::int AS count FROM import_queue_batch')).rows[0]!
      .count;
  const partsOf = async (path: string) =>
    (await sql.query('SELECT FROM upload_part WHERE upload_id = $1', [path.split('/').at(-1)])).rows.length;

  const waitsForUs = (kind: string) =>
    eventually(async () => {
      const { rows: waiting } = await sql.query(
        'SELECT FROM pg_locks WHERE NOT granted AND locktype = $1 AND pg_backend_pid() = ANY (pg_blocking_pids(pid))',
        [kind],
      );
      return waiting.length > 0;
    }, 'a request to wait for us');

  /** Break it: in `UploadStore.append`, begin with an empty part; in `seal`, leave out `seal`. */
  it('becomes the batch that a single request would have made', async () => {
    const body = Buffer.from(rows(30_000));
    expect(body.length).toBeGreaterThan(2 * MIB);
    const first = await begin('CreateBatch', body.subarray(0, 700_001), {
      'upload-length': String(body.length),
    });
    expect(first.status).toBe(201);
    expect(first.path).toMatch(/^\/API\/WorkflowImportQueue\/Uploads\/Parts\/[0-9a-f-]{36}$/);
    expect(first.headers.get('upload-complete')).toBe('?0');
    expect(first.headers.get('upload-limit')).toMatch(/^max-size=6000000, max-age=86\d\d\d$/);
    expect(await head(first.path)).toEqual({ status: 204, offset: '700001', complete: '?0' });
    let offset = 700_001;
    for (const size of [1, MIB, 300_000]) {
      const { status, headers } = await append(
        first.path,
        offset,
        body.subarray(offset, offset + size),
        false,
      );
      offset += size;
      expect([status, headers.get('upload-offset'), headers.get('upload-complete')]).toEqual([
        204,
        String(offset),
        '?0',
      ]);
    }
    const before = await batches();
    const last = await append(first.path, offset, body.subarray(offset), true);
    expect(last).toMatchObject({
      status: 202,
      body: { status: 'queued', recordCounts: { total: 30_000, invalid: 0 } },
    });
    expect(last.headers.get('upload-complete')).toBe('?1');
    expect(last.headers.get('location')).toBe(last.body.links.self);
    expect(await batches()).toBe(before + 1);
    expect((await client.ended(last.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 60_000)).status).toBe('completed');
    expect(await partsOf(first.path)).toBe(0);

    // The answer may have been lost.
    expect(await head(first.path)).toEqual({ status: 204, offset: String(body.length), complete: '?1' });
    const again = await append(first.path, body.length, '', true);
    expect([again.status, again.body]).toEqual([202, last.body]);
    expect(await batches()).toBe(before + 1);
  }, 90_000);

  /** Break it: in `sealUpload`, leave out `batch_id IS NULL`. */
  it('is sealed once, however many requests complete it', async () => {
    const body = rows(50);
    const { path } = await begin('CreateBatch', body);
    const before = await batches();
    const answers = await Promise.all(Array.from({ length: 4 }, () => append(path, body.length, '', true)));
    const ids = new Set(answers.map(({ body: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } }) => id));
    expect([answers.map(({ status }) => status), ids.size]).toEqual([[202, 202, 202, 202], 1]);
    expect(await batches()).toBe(before + 1);
  });

  /** Break it: in `takeUploadResource`, return the offset from the update. */
  it('states the offset with the part that was being stored when it was asked', async () => {
    const { path } = await begin('CreateBatch', rows(1));
    const id = path.split('/').at(-1);
    const { offset } = await head(path);
    await sql.query('BEGIN');
    await sql.query('SELECT FROM upload_resource WHERE upload_id = $1 FOR UPDATE', [id]);
    await sql.query('UPDATE upload SET size = size + 5 WHERE upload_id = $1', [id]);
    const asked = head(path);
    await waitsForUs('transactionid');
    await sql.query('COMMIT');
    expect((await asked).offset).toBe(String(Number(offset) + 5));
  });

  /** Break it: in `ResumableUploads.seal`, look for a batch only after an AlreadySealedError. */
  it('answers with the batch that another request has made of it meanwhile', async () => {
    const body = rows(2);
    const { path } = await begin('CreateBatch', body);
    const other = await client.createBatch(body, { importProcessId });
    await sql.query('BEGIN');
    await sql.query('LOCK TABLE upload_part IN ACCESS EXCLUSIVE MODE');
    const completed = append(path, body.length, '', true);
    await waitsForUs('relation');
    const id = path.split('/').at(-1);
    await sql.query('UPDATE upload_resource SET batch_id = $2, answer = $3 WHERE upload_id = $1', [
      ...[id, other.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, JSON.stringify(other.body)],
    ]);
    await sql.query('DELETE FROM upload_part WHERE upload_id = $1', [id]);
    await sql.query('COMMIT');
    expect(await completed).toMatchObject({ status: 202, body: other.body });
  });

  /** Break it: in `ResumableUploads.seal`, call `uploads.upload` without `idempotency.answer`. */
  it.each(['CreateBatch', 'Uploads'] as const)('makes one batch per Idempotency-Key of %s', async (route) => {
    const type = route === 'Uploads' ? 'multipart/form-data; boundary=b' : 'application/jsonl';
    const text = rows(2);
    const body =
      route === 'Uploads'
        ? `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${text}\r\n--b--\r\n`
        : text;
    const headers = { 'content-type': type, 'idempotency-key': `${route}-key` };
    const sent = async (bytes: string) => {
      const { path } = await begin(route, bytes, headers);
      return append(path, bytes.length, '', true);
    };
    const first = await sent(body);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const before = await batches();
    const whole = await client.call(
      'POST',
      `${ROOT}/${route}?fileName=a.jsonl&importProcessId=${importProcessId}`,
      { body, headers },
    );
    for (const again of [await sent(body), whole]) {
      expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
      expect([again.body, again.headers.get('location')]).toEqual([
        first.body,
        first.headers.get('location'),
      ]);
    }
    expect(await sent(body.replace('R-', 'S-').replace('example', 'sample'))).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await batches()).toBe(before);
    expect(await begin(route, body, { ...headers, 'idempotency-key': 'two words' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_idempotency_key' },
    });
  });

  it('may be a form with a file, which then awaits confirmation', async () => {
    const form = new Response(
      (() => {
        const data = new FormData();
        data.set('file', new Blob([':UniqueId,First Name\nR-1,Ann\nR-2,Bo\n']), 'a.csv');
        return data;
      })(),
    );
    const type = form.headers.get('content-type')!;
    const body = Buffer.from(await form.arrayBuffer());
    const { path } = await begin(
      'Uploads',
      body.subarray(0, 60),
      { 'content-type': type },
      '&emptyCells=clear',
    );
    const last = await append(path, 60, body.subarray(60), true);
    expect(last).toMatchObject({
      status: 202,
      body: {
        status: 'awaiting_confirmation',
        understood: { format: 'csv', emptyCells: 'clear' },
        summary: { valid: 2 },
      },
    });
    const again = await append(path, body.length, '', true);
    expect(again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID).toBe(last.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });

  it('keeps its Content-Encoding, and counts encoded bytes', async () => {
    const body = gzipSync(rows(300));
    const { path } = await begin('CreateBatch', body.subarray(0, 100), { 'content-encoding': 'gzip' });
    expect((await head(path)).offset).toBe('100');
    const last = await append(path, 100, body.subarray(100), true);
    expect(last).toMatchObject({ status: 202, body: { recordCounts: { total: 300 } } });
  });

  /** Break it: in `UploadStore.append`, do not write what is held when the pieces throw. */
  it('keeps what arrived before the connection broke', async () => {
    const body = rows(2000);
    const { path } = await begin('CreateBatch');
    const { hostname, port } = new URL(test.url);
    const socket = connect(Number(port), hostname);
    const cut = 150_000;
    socket.end(
      `PATCH ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: apikey ${TEST_API_KEY}\r\nContent-Type: application/partial-upload\r\n` +
        `Upload-Offset: 0\r\nUpload-Complete: ?1\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`,
    );
    // Not asked of the service, which would take the upload over.
    await eventually(
      async () =>
        (
          await sql.query('SELECT FROM upload WHERE upload_id = $1 AND size = $2', [
            path.split('/').at(-1),
            cut,
          ])
        ).rows.length > 0,
      'the bytes to be stored',
    );
    expect(await head(path)).toEqual({ status: 204, offset: String(cut), complete: '?0' });
    expect(await append(path, cut, body.slice(cut), true)).toMatchObject({
      status: 202,
      body: { recordCounts: { total: 2000 } },
    });
  });

  /** Break it: in `append`, do not compare the offsets. */
  it('refuses bytes for another place, and says where it is', async () => {
    const { path } = await begin('CreateBatch', rows(1));
    const { offset } = await head(path);
    const wrong = await append(path, 3, 'x', false);
    expect(wrong).toMatchObject({
      status: 409,
      body: { code: 'upload_offset_mismatch', 'expected-offset': Number(offset), 'provided-offset': 3 },
    });
    expect([wrong.headers.get('upload-offset'), wrong.headers.get('upload-complete')]).toEqual([
      offset,
      '?0',
    ]);
    const type = await append(path, Number(offset), 'x', false, { 'content-type': 'application/jsonl' });
    expect(type).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
    const none = await append(path, Number(offset), 'x', false, { 'upload-complete': 'yes' });
    expect(none).toMatchObject({ status: 400, body: { code: 'invalid_upload_request' } });
  });

  it('refuses lengths that contradict each other, and bytes beyond a limit', async () => {
    const { path } = await begin('CreateBatch', '{}\n', { 'upload-length': '10' });
    const wrong = await append(path, 3, '{}\n', true);
    expect(wrong).toMatchObject({ status: 400, body: { code: 'inconsistent_upload_length' } });
    const more = await append(path, 3, 'x'.repeat(20), false);
    expect(more).toMatchObject({ status: 400, body: { code: 'inconsistent_upload_length' } });
    expect((await head(path)).status).toBe(404);
    expect(await begin('CreateBatch', '', { 'upload-length': '6000001' })).toMatchObject({
      status: 413,
      body: { code: 'body_too_large' },
    });
  });

  /** Break it: in `ResumableUploads.append`, leave out `Upload-Complete`. */
  it('answers an error of the content as the route does, marked as complete', async () => {
    const { path } = await begin('CreateBatch', '{"a":1}\n');
    const last = await append(path, 8, '{"b":\n', true);
    expect(last).toMatchObject({ status: 400, body: { code: 'malformed_json_lines' } });
    expect(last.headers.get('upload-complete')).toBe('?1');
  });

  /** Break it: in `takeUploadResource`, leave out `created_by`. */
  it('belongs to the key that began it, and can be canceled', async () => {
    const made = await client.post('/API/ApiKeys', {
      name: 'other',
      permissions: ['BeginWorkflowImportProcess'],
    });
    const other = new ImportClient(test.url, made.body.key);
    const { path } = await begin('CreateBatch', rows(1));
    expect((await other.call('HEAD', path)).status).toBe(404);
    expect((await other.call('DELETE', path)).status).toBe(404);
    expect((await client.call('DELETE', path)).status).toBe(204);
    expect((await head(path)).status).toBe(404);
    expect(await partsOf(path)).toBe(0);
  });

  it('is refused at once by the rules of its route', async () => {
    expect(await begin('CreateBatch', '', { 'content-type': 'image/png' })).toMatchObject({ status: 415 });
    expect(await begin('Uploads')).toMatchObject({ status: 415 });
    expect(await begin('CreateBatch', '', {}, '&colour=red')).toMatchObject({
      status: 400,
      body: { code: 'unknown_parameter' },
    });
  });

  /** Break it: in `takeUploadResource`, leave out the age. */
  it('expires after 24 hours, and never becomes a batch', async () => {
    const { path } = await begin('CreateBatch', rows(1));
    const id = path.split('/').at(-1);
    await sql.query(`UPDATE upload SET created_at = now() - interval '25 hours' WHERE upload_id = $1`, [id]);
    expect((await head(path)).status).toBe(404);
    await test.app.get(RetentionSweeper, { strict: false }).sweep();
    expect((await sql.query('SELECT FROM upload_resource WHERE upload_id = $1', [id])).rows).toEqual([]);
    expect(await partsOf(path)).toBe(0);
  });

  it('is limited in number per key', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 21; n += 1) statuses.push((await begin('CreateBatch')).status);
    expect(statuses.at(-1)).toBe(503);
  });
});
