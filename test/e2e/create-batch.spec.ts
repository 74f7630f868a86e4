import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { IdempotencyService } from '../../src/auth/idempotency.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { rawRequest } from '../support/raw-request.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

describe('POST /API/WorkflowImportQueue/CreateBatch', () => {
  let test: TestApp;
  let client: ImportClient;
  let database: DatabaseService;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({
      MAX_RECORDS: '5000',
      MAX_LINE_BYTES: '20000',
      MAX_BODY_BYTES: '3000000',
      CHUNK_SIZE: '100',
    });
    client = new ImportClient(test.url);
    database = test.app.get(DatabaseService);
    importProcessId = await client.setUp();
  });

  afterAll(() => test.close());

  const stored = async () => {
    const { rows } = await database.query<{ batches: number; chunks: number; records: number }>(
      `SELECT (SELECT count(*) FROM import_queue_batch) AS batches, (SELECT count(*) FROM import_queue_chunk) AS chunks,
        (SELECT count(*) FROM import_queue_record) AS records`,
    );
    return rows[0]!;
  };

  /** Runs a call that must be refused and checks that it left nothing behind. */
  const refused = async (call: () => Promise<{ status: number; headers: Headers; body: any }>) => {
    const before = await stored();
    const answer = await call();
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await stored()).toEqual(before);
    return answer;
  };

  it('answers 202 with the id, the counts and links, and processes the batch', async () => {
    const { status, headers, body } = await client.createBatch(
      jsonl([member(1), member(2), { ...member(3), 'First Name': '' }]),
      {
        importProcessId,
        fileName: 'members of 2026.jsonl',
        creationPath: 'LH',
      },
    );
    expect(status).toBe(202);
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect(headers.get('location')).toBe(`/API/WorkflowImportQueue/Batches/${id}`);
    expect(body).toMatchObject({
      resultsUrl: `https://imports.example.org/imports/${id}`,
      status: 'queued',
      recordCounts: {
        total: 3,
        invalid: 1,
        pending: 2,
        processing: 0,
        succeeded: 0,
        failed: 0,
        skipped: 0,
        canceled: 0,
        unknown: 0,
      },
      links: { self: `/API/WorkflowImportQueue/Batches/${id}` },
    });
    await expect(client.ended(id)).resolves.toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 3, invalid: 1, pending: 0, succeeded: 2 },
      operations: { created: 2, updated: 0, unchanged: 0 },
    });
  });

  it('stores the creation path so that SQL finds it as documented', async () => {
    const { rows } = await database.query<{ file_name: string }>(
      `SELECT * FROM IMPORT_QUEUE_BATCH WHERE CREATION_PATH = 'IMPORT_QUEUE_API:LH'`,
    );
    expect(rows.map((row) => row.file_name)).toEqual(['members of 2026.jsonl']);
    const { body } = await client.createBatch(jsonl([member(1)]), { importProcessId });
    await expect(client.batch(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).resolves.toMatchObject({
      creationPath: 'IMPORT_QUEUE_API',
    });
  });

  it('names every wrong parameter in one answer, before it reads the body', async () => {
    const { status, body } = await refused(() =>
      client.post(
        '/API/WorkflowImportQueue/CreateBatch?fileName=&importProcessId=1.5&creationPath=lower&sendFailureEmailTo=nobody' +
          '&sendFailurEmailTo=a@example.org&sendSuccessEmailTo=a@example.org&sendSuccessEmailTo=b@example.org',
        'not read',
        { 'content-type': 'application/jsonl' },
      ),
    );
    expect(status).toBe(400);
    expect(body.errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ parameter: 'fileName' }),
        expect.objectContaining({ parameter: 'importProcessId' }),
        expect.objectContaining({ parameter: 'creationPath' }),
        expect.objectContaining({ parameter: 'sendFailureEmailTo' }),
        expect.objectContaining({ parameter: 'sendFailurEmailTo', code: 'unknown_parameter' }),
        expect.objectContaining({ parameter: 'sendSuccessEmailTo', code: 'repeated_parameter' }),
      ]),
    );
  });

  /** Break it: in `codeOf`, leave out `promised`. */
  it('answers unknown_parameter for names in the wrong case, even if the right ones are missing', async () => {
    const { status, body } = await refused(() =>
      client.post('/API/WorkflowImportQueue/CreateBatch?importprocessid=1&filename=x', 'not read'),
    );
    expect([status, body.code, body.errorCount]).toEqual([400, 'unknown_parameter', 4]);
  });

  /** Break it: in `configureHttp`, set the query parser to 'simple'. */
  it.each(['%ED%A0%80', 'members%FF.jsonl'])(
    'refuses the fileName %s, which is not UTF-8',
    async (fileName) => {
      const { status, body } = await refused(() =>
        client.post(
          `/API/WorkflowImportQueue/CreateBatch?importProcessId=${importProcessId}&fileName=${fileName}`,
          '{}',
        ),
      );
      expect([status, body.code]).toEqual([400, 'invalid_parameter']);
      expect(body.errors).toEqual([expect.objectContaining({ parameter: 'fileName' })]);
    },
  );

  it.each([
    ['a control character in fileName', { fileName: 'a\u0007b' }],
    ['a fileName of 256 characters', { fileName: 'x'.repeat(256) }],
    ['importProcessId 0', { importProcessId: 0 }],
    ['importProcessId 1.5', { importProcessId: '1.5' }],
    ['a creationPath of 16 characters', { creationPath: 'A'.repeat(16) }],
    ['six addresses', { sendSuccessEmailTo: 'a@b.cd,b@b.cd,c@b.cd,d@b.cd,e@b.cd,f@b.cd' }],
    ['a list with an empty address', { sendSuccessEmailTo: 'a@example.org,' }],
  ])('refuses %s', async (_, query) => {
    await expect(
      refused(() => client.createBatch('{}', { importProcessId, ...query })),
    ).resolves.toMatchObject({ status: 400 });
  });

  it('refuses an unknown and a disabled import process', async () => {
    await expect(refused(() => client.createBatch('{}', { importProcessId: 999 }))).resolves.toMatchObject({
      status: 404,
      body: { code: 'import_process_not_found' },
    });
    const disabled = await client.setUp(undefined, {}, { status: 'disabled' });
    await expect(
      refused(() => client.createBatch('{}', { importProcessId: disabled })),
    ).resolves.toMatchObject({
      status: 409,
      body: { code: 'import_process_disabled' },
    });
  });

  it.each([
    'application/jsonl',
    'application/x-ndjson; charset=utf-8',
    'application/ndjson',
    'application/json',
    'TEXT/plain',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
  ])('reads a body sent as %s', async (type) => {
    await expect(
      client.createBatch(jsonl([member(1)]), { importProcessId }, { 'content-type': type }),
    ).resolves.toMatchObject({ status: 202 });
  });

  it('refuses another content type, and names the accepted ones', async () => {
    const { status, headers, body } = await refused(() =>
      client.createBatch('{}', { importProcessId }, { 'content-type': 'text/csv' }),
    );
    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
    expect(headers.get('accept-post')).toContain('application/jsonl');
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('reads a body encoded with %s', async (encoding, encode) => {
    const answer = await client.createBatch(
      encode(jsonl([member(1), member(2)])),
      { importProcessId },
      { 'content-type': 'application/jsonl', 'content-encoding': encoding },
    );
    expect(answer).toMatchObject({ status: 202, body: { recordCounts: { total: 2 } } });
  });

  it('refuses a body that is not what its Content-Encoding says, and an unknown encoding', async () => {
    const send = (encoding: string) =>
      client.createBatch(
        '{"a":1}',
        { importProcessId },
        { 'content-type': 'application/jsonl', 'content-encoding': encoding },
      );
    await expect(refused(() => send('gzip'))).resolves.toMatchObject({
      status: 400,
      body: { code: 'undecodable_body' },
    });
    await expect(refused(() => send('zstd'))).resolves.toMatchObject({ status: 415 });
  });

  it.each(['', '\n', ' \r\n\t\n', '\ufeff'])('refuses a body without a record (%j)', async (body) => {
    await expect(refused(() => client.createBatch(body, { importProcessId }))).resolves.toMatchObject({
      status: 400,
      body: { code: 'empty_body' },
    });
  });

  it('names line and column of every malformed line and stores nothing', async () => {
    const { status, body } = await refused(() =>
      client.createBatch('{"First Name":"A"}\n[1]\n\n{"a":}\nnull', { importProcessId }),
    );
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'malformed_json_lines',
      errorCount: 3,
      errors: [
        { line: 2, column: 1, code: 'not_an_object' },
        { line: 4, column: 6, code: 'invalid_json' },
        { line: 5, column: 1, code: 'not_an_object' },
      ],
    });
  });

  it('rolls back what it has stored if a late line is malformed', async () => {
    const rows = jsonl(Array.from({ length: 4000 }, (_, n) => member(n, { Notes: 'x'.repeat(400) })));
    const { status, body } = await refused(() =>
      client.createBatch(`${rows}{"broken\n${rows.slice(0, 100_000)}`, { importProcessId }),
    );
    expect(status).toBe(400);
    expect(body.errors[0]).toMatchObject({ line: 4001, code: 'invalid_json' });
    // The connection it used is fit for the next call.
    await expect(client.createBatch(jsonl([member(1)]), { importProcessId })).resolves.toMatchObject({
      status: 202,
    });
  });

  it('refuses deeper nesting than 64 as malformed', async () => {
    const deep = '{"a":'.repeat(64) + '{}' + '}'.repeat(64);
    await expect(refused(() => client.createBatch(deep, { importProcessId }))).resolves.toMatchObject({
      status: 400,
      body: { code: 'malformed_json_lines', errors: [{ line: 1, code: 'nesting_too_deep' }] },
    });
  });

  it.each([
    ['a line', `${jsonl([member(1)])}{"Notes":"${'x'.repeat(20_000)}"}`, 20_000, 'line_too_long'],
    ['the number of records', '{}\n'.repeat(5001), 5000, 'too_many_records'],
    ['the body', `{"Notes":"${'x'.repeat(10_000)}"}\n`.repeat(301), 3_000_000, 'body_too_large'],
  ])('refuses what passes the limit of %s, naming it', async (_, body, limit, code) => {
    await expect(refused(() => client.createBatch(body, { importProcessId }))).resolves.toMatchObject({
      status: 413,
      body: { code, limit },
    });
  });

  /** Break it: in `ImportQueueService.createBatch`, leave out `declaredBytes` (the body is then waited for). */
  it('refuses a body that declares itself too large before it arrives', async () => {
    const { status, text } = await rawRequest(
      test.url,
      `POST /API/WorkflowImportQueue/CreateBatch?fileName=big&importProcessId=${importProcessId} HTTP/1.1\r\n` +
        `Host: localhost\r\nAuthorization: apikey ${TEST_API_KEY}\r\nContent-Length: 3000001\r\n\r\n`,
    );
    expect(status).toBe(413);
    expect(JSON.parse(text)).toMatchObject({ code: 'body_too_large', limit: 3_000_000 });
  });

  it('counts the limit on decoded bytes', async () => {
    // Random enough to stay below the allowed ratio of decompression, which is another limit.
    const lines = Array.from({ length: 301 }, () => {
      const notes = randomBytes(115).toString('hex').padEnd(10_000, 'x');
      return `{"Notes":"${notes}"}\n`;
    });
    const body = gzipSync(lines.join(''));
    expect(body.length).toBeLessThan(50_000);
    const answer = await refused(() =>
      client.createBatch(
        body,
        { importProcessId },
        { 'content-encoding': 'gzip', 'content-type': 'application/jsonl' },
      ),
    );
    expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large', limit: 3_000_000 } });
  });

  it.each([1, 2_000_000])('stores nothing when the client goes away after %d bytes', async (bytes) => {
    const before = await stored();
    const { port } = new URL(test.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `POST /API/WorkflowImportQueue/CreateBatch?fileName=gone&importProcessId=${importProcessId} HTTP/1.1\r\n` +
        `Host: localhost\r\nAuthorization: apikey ${TEST_API_KEY}\r\nContent-Length: 2900000\r\n\r\n`,
    );
    const line = jsonl([member(1, { Notes: 'x'.repeat(1000) })]);
    await new Promise<void>((resolve) =>
      socket.write(line.repeat(Math.ceil(bytes / line.length)), () => resolve()),
    );
    socket.destroy();
    await eventually(async () => {
      const { rows } = await database.query<{ open: number }>(
        `SELECT count(*) AS open FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      );
      return rows[0]!.open === 0;
    }, 'no transaction to be left open');
    expect(await stored()).toEqual(before);
  });

  describe('with an Idempotency-Key', () => {
    const send = (key: string, body: string, query: Record<string, string | number> = {}) =>
      client.createBatch(
        body,
        { importProcessId, ...query },
        { 'content-type': 'application/jsonl', 'idempotency-key': key },
      );

    it('replays the first answer for the same request and makes one batch', async () => {
      const body = jsonl([member(1), member(2)]);
      const first = await send('k-1', body);
      const before = await stored();
      const second = await send('k-1', body);
      expect(first.headers.get('idempotency-replayed')).toBeNull();
      expect(second.status).toBe(202);
      expect(second.headers.get('idempotency-replayed')).toBe('true');
      expect(second.headers.get('location')).toBe(first.headers.get('location'));
      // To the byte: a client may compare what it got.
      expect(JSON.stringify(second.body)).toBe(JSON.stringify(first.body));
      expect(await stored()).toEqual(before);
    });

    /** Break it: in `ImportQueueService.createBatch`, pin the import process first. */
    it('replays the first answer even if the import process was disabled meanwhile', async () => {
      const toDisable = await client.setUp();
      const first = await send('k-0', jsonl([member(1)]), { importProcessId: toDisable });
      await client.disable(toDisable);
      const second = await send('k-0', jsonl([member(1)]), { importProcessId: toDisable });
      expect([second.status, second.body]).toEqual([202, first.body]);
      const other = await send('k-00', jsonl([member(1)]), { importProcessId: toDisable });
      expect([other.status, other.body.code]).toEqual([409, 'import_process_disabled']);
    });

    it('refuses the key for another body or other parameters', async () => {
      await send('k-2', jsonl([member(1)]));
      await expect(send('k-2', jsonl([member(2)]))).resolves.toMatchObject({
        status: 422,
        body: { code: 'idempotency_key_reused' },
      });
      await expect(send('k-2', jsonl([member(1)]), { fileName: 'other' })).resolves.toMatchObject({
        status: 422,
      });
    });

    it('frees the key when the call was refused', async () => {
      await expect(send('k-3', 'nonsense')).resolves.toMatchObject({ status: 400 });
      await expect(send('k-3', jsonl([member(1)]))).resolves.toMatchObject({ status: 202 });
    });

    it('makes one batch of ten simultaneous calls', async () => {
      const before = await stored();
      const answers = await Promise.all(Array.from({ length: 10 }, () => send('k-4', jsonl([member(1)]))));
      for (const { status, body } of answers) {
        if (status !== 202) expect([status, body.code]).toEqual([409, 'idempotency_key_in_use']);
      }
      expect(
        answers.filter(({ status, headers }) => status === 202 && !headers.has('idempotency-replayed')),
      ).toHaveLength(1);
      expect((await stored()).batches).toBe(before.batches + 1);
    });

    /** Break it: in `readIdempotencyKey`, take the header as it is. */
    it('takes a quoted key for the same key', async () => {
      const first = await send('k-5', jsonl([member(1)]));
      const second = await send('"k-5"', jsonl([member(1)]));
      expect([second.status, second.body]).toEqual([202, first.body]);
      expect(second.headers.get('idempotency-replayed')).toBe('true');
    });

    /** Break it: in `idempotency.ts`, let LOCK_SECONDS be 60. */
    it('blocks the key of a call that died for at most 10 s', async () => {
      const held = await test.app.get(IdempotencyService, { strict: false }).acquire('key:1', 'k-6');
      if (held.kind === 'held') clearInterval(held.renewal);
      const { rows } = await database.query<{ seconds: number }>(
        `SELECT extract(epoch FROM locked_until - now())::float8 AS seconds FROM idempotency_key WHERE key = 'k-6'`,
      );
      expect(rows[0]?.seconds).toBeGreaterThan(0);
      expect(rows[0]?.seconds).toBeLessThanOrEqual(10);
    });

    it('refuses a key that is not visible ASCII', async () => {
      await expect(send('with space', '{}')).resolves.toMatchObject({
        status: 400,
        body: { code: 'invalid_idempotency_key' },
      });
    });
  });
});
