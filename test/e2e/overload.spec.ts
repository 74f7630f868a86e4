import { Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { AdmissionService } from '../../src/import-queue/admission.service.js';
import { Upload } from '../crash/support/upload.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

describe('under overload', () => {
  let test: TestApp | undefined;
  let client: ImportClient;
  let importProcessId: number;
  let people = 0;

  const start = async (environment: Record<string, string>) => {
    test = await startTestApp({ ROLE: 'api', ...environment });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    return test;
  };
  afterEach(async () => {
    await test?.close();
    test = undefined;
  });

  const path = () =>
    `/API/WorkflowImportQueue/CreateBatch?fileName=x.jsonl&importProcessId=${importProcessId}`;
  const send = () => client.createBatch(jsonl([member((people += 1))]), { importProcessId });
  const sql = async (statement: string) => {
    const connection = new Client({ connectionString: test!.database.url });
    await connection.connect();
    try {
      return (await connection.query(statement)).rows;
    } finally {
      await connection.end();
    }
  };

  /** Break it: in `Gate.enter`, answer false instead of waiting. */
  it('answers 500 calls at once, each with its 202, and stores each once', async () => {
    const { url } = await start({
      MAX_OPEN_UPLOADS: '20',
      DATABASE_POOL_SIZE: '8',
      ADMISSION_WAIT_MS: '60000',
    });
    // All of them have a connection, and begin together.
    const agent = new Agent({ maxSockets: 500 });
    const one = () =>
      new Promise<number>((resolve, reject) => {
        const call = request(url + path(), {
          method: 'POST',
          agent,
          headers: { authorization: `apikey ${TEST_API_KEY}`, 'content-type': 'application/jsonl' },
        });
        call.once('error', reject);
        call.once('response', (response) =>
          response.resume().once('end', () => resolve(response.statusCode!)),
        );
        call.end(jsonl([member((people += 1))]));
      });
    const statuses = await Promise.all(Array.from({ length: 500 }, one));
    agent.destroy();
    expect(new Set(statuses)).toEqual(new Set([202]));
    expect(await sql('SELECT count(*)::int AS count FROM import_queue_batch')).toEqual([{ count: 500 }]);
  });

  /** Break it: in `Gate.enter`, let one more in than the limit. */
  it('asks callers that would wait too long to come back, and accepts the others', async () => {
    const { url } = await start({ MAX_OPEN_UPLOADS: '1', ADMISSION_WAIT_MS: '0' });
    const slow = new Upload(url, path());
    await slow.send(jsonl([member((people += 1))]));
    const { gate } = test!.app.get(AdmissionService, { strict: false });
    await eventually(() => gate.open === 1, 'it to be received');
    const refused = await send();
    expect(refused).toMatchObject({ status: 503, body: { code: 'too_many_uploads', limit: 1 } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await slow.finish()).status).toBe(202);
    expect((await send()).status).toBe(202);
  });

  /** Break it: in `countUnfinished`, count `paused` alone. */
  it('accepts no new batch while too many are unfinished', async () => {
    await start({ MAX_WAITING_BATCHES: '3' });
    const answers = await eventually(async () => {
      const answer = await send();
      return answer.status === 202 ? null : answer;
    }, 'the limit to be noticed');
    expect(answers).toMatchObject({ status: 503, body: { code: 'too_many_waiting_batches', limit: 3 } });
    expect(Number(answers.headers.get('retry-after'))).toBeGreaterThan(0);
    await sql(`UPDATE import_queue_batch SET status = 'canceled', finished_at = now()`);
    await eventually(async () => (await send()).status === 202, 'new batches to be taken again');
  });

  /** Break it: in `AdmissionService.rate`, take from one bucket for all. */
  it('limits each key to its rate, and states it in every answer', async () => {
    await start({ CREATE_RATE_PER_MINUTE: '2' });
    const first = await send();
    expect(first.status).toBe(202);
    expect(first.headers.get('ratelimit-policy')).toBe('"create";q=2;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"create";r=1;t=\d+$/);
    expect((await send()).status).toBe(202);
    const third = await send();
    expect(third).toMatchObject({ status: 429, body: { code: 'rate_limit_exceeded', limit: 2 } });
    expect(third.headers.get('ratelimit')).toMatch(/^"create";r=0;t=\d+$/);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    const { body } = await client.post('/API/ApiKeys', {
      name: 'another',
      permissions: ['BeginWorkflowImportProcess'],
    });
    const other = new ImportClient(test!.url, body.key);
    expect((await other.createBatch(jsonl([member(0)]), { importProcessId })).status).toBe(202);
  });

  /** Break it: in `longestWait`, let `idle` be Infinity (seen when the transaction is open). */
  it.each([
    ['at its first bytes', (rows: string) => rows.slice(0, 20)],
    ['when its transaction is open', (rows: string) => rows],
  ])('waits a limited time for a client that stops %s, and stores nothing', async (_when, piece) => {
    const { url } = await start({ RECEIVE_IDLE_MS: '300' });
    const rows = jsonl(Array.from({ length: 20_000 }, (_, n) => member(n)));
    const upload = new Upload(url, path());
    await upload.send(piece(rows));
    const answer = await upload.answer;
    expect(answer).toMatchObject({ status: 408, body: { code: 'body_too_slow' } });
    expect(answer.headers.connection).toBe('close');
    expect(await sql('SELECT count(*)::int AS count FROM import_queue_batch')).toEqual([{ count: 0 }]);
    expect(await sql('SELECT count(*)::int AS count FROM import_queue_record')).toEqual([{ count: 0 }]);
  });

  /** Break it: in `longestWait`, answer `idle` whatever the rate. */
  it('waits a limited time for a client that trickles', async () => {
    const { url } = await start({ RECEIVE_IDLE_MS: '1000', MIN_BODY_BYTES_PER_SECOND: '100000' });
    const upload = new Upload(url, path());
    const trickle = setInterval(() => void upload.send('{"a":1}\n').catch(() => undefined), 50);
    try {
      expect(await upload.answer).toMatchObject({ status: 408, body: { code: 'body_too_slow' } });
    } finally {
      clearInterval(trickle);
    }
  });

  /** Break it: in `AdmissionService`, let `openTransactions` have all of the pool. */
  it('keeps half of its connections from slow clients, and gives none to a file that is still arriving', async () => {
    const { url } = await start({ DATABASE_POOL_SIZE: '4', ADMISSION_WAIT_MS: '0' });
    const rows = jsonl(Array.from({ length: 20_000 }, (_, n) => member(n)));
    const slow = [new Upload(url, path()), new Upload(url, path())];
    const others: Upload[] = [];
    try {
      for (const each of slow) await each.send(rows);
      const open = `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`;
      await eventually(async () => (await sql(open))[0].count === 2, 'both to hold a connection');
      const form = { 'content-type': 'multipart/form-data; boundary=B' };
      const file = new Upload(url, path().replace('CreateBatch', 'Uploads'), form);
      others.push(file, new Upload(url, path()));
      await file.send(
        `--B\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n${rows}`,
      );
      await others[1]!.send(rows);
      expect(await others[1]!.answer).toMatchObject({
        status: 503,
        body: { code: 'too_many_uploads', limit: 2 },
      });
      await eventually(async () => (await sql(open))[0].count === 2, 'the file to hold none');
      expect((await send()).status).toBe(202);
    } finally {
      for (const each of [...slow, ...others]) each.disconnect();
    }
  });

  /** Break it: in `decodeBody`, do not compare with `maxRatio`. */
  it('refuses a body that grows like a decompression bomb', async () => {
    await start({ MAX_DECOMPRESSION_RATIO: '100' });
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2, `{"a":"${'b'.repeat(1000)}"}\n`));
    const answer = await client.createBatch(
      bomb,
      { importProcessId },
      {
        'content-type': 'application/jsonl',
        'content-encoding': 'gzip',
      },
    );
    expect(answer).toMatchObject({ status: 413, body: { code: 'decompression_ratio_exceeded', limit: 100 } });
    expect(await sql('SELECT count(*)::int AS count FROM import_queue_record')).toEqual([{ count: 0 }]);
  });
});
