import { Client } from 'pg';
import { IdempotencyService } from '../../src/auth/idempotency.js';
import { type Answer, ImportClient } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const Q = '/API/WorkflowImportQueue';
const FILE = ':Email,First Name\r\nada@example.org,Ada\r\n';

describe('an Idempotency-Key', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;
  let keys = 0;
  const fresh = () => ({ 'Idempotency-Key': `key-${++keys}` });

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql?.end();
    await test?.close();
  });

  const count = async (table: string) =>
    Number((await sql.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0]?.count);
  const upload = (headers: Record<string, string>, file = FILE, boundary = 'b') => {
    const body = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n${file}\r\n--${boundary}--\r\n`;
    const type = `multipart/form-data; boundary=${boundary}`;
    return client.call('POST', `${Q}/Uploads?fileName=a.csv&importProcessId=${importProcessId}`, {
      body,
      headers: { 'content-type': type, ...headers },
    });
  };
  const fromFile = (headers: Record<string, string>, file = FILE) => {
    const form = new FormData();
    form.set('file', new Blob([file]), 'people.csv');
    return client.call('POST', `${Q}/ImportProcesses/FromFile?create=true`, { body: form, headers });
  };
  const queued = async () => {
    // It waits, so that it stays as the calls leave it.
    const query = { importProcessId, notBefore: new Date(Date.now() + 3600_000).toISOString() };
    const { body } = await client.createBatch('{":Email":"a@example.org","First Name":"A"}', query);
    return `${Q}/Batches/${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`;
  };
  /** A batch with a record that created something, and one that is invalid. */
  const ended = async () => {
    const rows = `{":Email":"${++keys}@example.org","First Name":"A"}\n{":Email":"no address"}`;
    const { body } = await client.createBatch(rows, { importProcessId });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return `${Q}/Batches/${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`;
  };
  const isRepeatOf = (again: Answer, first: Answer) => {
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
  };

  /** Break it: in `ImportQueueController.upload`, call the service without `idempotency.answer`. */
  it('makes one batch of an upload that is sent twice, however its form is divided', async () => {
    const key = fresh();
    const first = await upload(key);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const before = await count('import_queue_batch');
    isRepeatOf(await upload(key), first);
    isRepeatOf(await upload(key, FILE, 'other-boundary'), first);
    expect(await upload(key, `${FILE}bob@example.org,Bob\r\n`)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await count('import_queue_batch')).toBe(before);
  });

  /** Break it: in `FileStartController.fromFile`, call the service without `idempotency.answer`. */
  it('makes one import process from a file that is sent twice', async () => {
    const key = fresh();
    const first = await fromFile(key);
    expect(first.status).toBe(202);
    const before = await count('import_process');
    isRepeatOf(await fromFile(key), first);
    expect(await fromFile(key, FILE.replace('ada', 'eve'))).toMatchObject({ status: 422 });
    expect(await count('import_process')).toBe(before);
  });

  /** Break it: in `start.ts`, leave out IdempotencyInterceptor. */
  it.each<[string, () => Promise<() => Promise<Answer>>]>([
    ['Cancel', async () => acting(await queued(), 'Cancel')],
    ['Pause', async () => acting(await queued(), 'Pause')],
    [
      'Resume',
      async () => {
        const path = await queued();
        await client.post(`${path}/Pause`);
        return acting(path, 'Resume');
      },
    ],
    ['Confirm', async () => acting((await upload(fresh())).headers.get('location')!, 'Confirm')],
    ['Abandon', async () => acting((await upload(fresh())).headers.get('location')!, 'Abandon')],
    [
      'Delete',
      async () => {
        const path = (await upload(fresh())).headers.get('location')!;
        await client.post(`${path}/Abandon`);
        return acting(path, 'Delete');
      },
    ],
    ['RetryFailed', async () => acting(await ended(), 'RetryFailed')],
    ['Undo', async () => acting(await ended(), 'Undo')],
    [
      'an action on an instance',
      async () => {
        await ended();
        const { body } = await client.get('/API/Workflows/grant-role/Instances?limit=1');
        return posting(`/API/Workflows/grant-role/Instances/${body.items[0].id}/Actions/Grant`);
      },
    ],
    ['a new API key', async () => posting('/API/ApiKeys', { name: 'k', permissions: ['ViewImports'] })],
    [
      'the end of an API key',
      async () => {
        const { body } = await client.post('/API/ApiKeys', { name: 'x', permissions: ['ViewImports'] });
        const key = fresh();
        return () => client.call('DELETE', `/API/ApiKeys/${body.id}`, { headers: key });
      },
    ],
  ])('repeats the answer of %s', async (name, prepare) => {
    const call = await prepare();
    const first = await call();
    expect([name, first.status < 300]).toEqual([name, true]);
    isRepeatOf(await call(), first);
  });

  const acting = (path: string, action: string) => {
    const key = fresh();
    return () => client.post(`${path}/${action}`, undefined, key);
  };
  const posting = (path: string, body: object = { 'First Name': 'Ada' }) => {
    const key = fresh();
    return () => client.post(path, body, key);
  };

  it('belongs to one route, one body and one caller', async () => {
    const key = fresh();
    const path = await queued();
    expect((await client.post(`${path}/Pause`, undefined, key)).status).toBe(202);
    for (const other of [`${path}/Resume`, `${path}/Cancel`]) {
      expect(await client.post(other, undefined, key)).toMatchObject({ status: 422 });
    }
    const made = { name: 'n', permissions: ['ViewImports', 'ManageImports'] };
    const another = fresh();
    const { body } = await client.post('/API/ApiKeys', made, another);
    expect(await client.post('/API/ApiKeys', { ...made, name: 'm' }, another)).toMatchObject({ status: 422 });
    const other = new ImportClient(test.url, body.key);
    expect(await other.post(`${path}/Resume`, undefined, key)).toMatchObject({ status: 202 });
  });

  it.each(['', 'a b', 'ü', 'x'.repeat(256)])('is refused unless it is visible ASCII: %j', async (key) => {
    const answer = await client
      .post(`${await queued()}/Pause`, undefined, { 'Idempotency-Key': key })
      .catch(() => null);
    if (answer !== null)
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_idempotency_key' } });
  });

  it('is free again after a refusal', async () => {
    const key = fresh();
    const path = await queued();
    expect((await client.post(`${path}/Resume`, undefined, key)).status).toBe(409);
    await client.post(`${path}/Pause`);
    expect((await client.post(`${path}/Resume`, undefined, key)).status).toBe(202);
  });

  /** Break it: in `sealAnswer`, store the answer itself. */
  it('keeps no secret of an answer in the database', async () => {
    const { body } = await client.post('/API/ApiKeys', { name: 's', permissions: ['ViewImports'] }, fresh());
    const { rows } = await sql.query<{ all: string }>(
      'SELECT json_agg(k)::text AS all FROM idempotency_key k',
    );
    expect(rows[0]?.all).not.toContain(body.key);
    expect(rows[0]?.all).not.toContain(TEST_API_KEY);
  });

  describe('whose process died', () => {
    const lose = async (sealed: string) => {
      await sql.query(
        `UPDATE idempotency_key SET response = NULL, locked_until = now() - interval '1 second' WHERE key = $1`,
        [sealed],
      );
    };

    /** Break it: in ACQUIRE, leave out `request_hash IS NULL`. */
    it('after the commit answers with the batch that was made', async () => {
      const key = fresh();
      const first = await upload(key);
      const before = await count('import_queue_batch');
      await lose(key['Idempotency-Key']);
      isRepeatOf(await upload(key), first);
      expect(await count('import_queue_batch')).toBe(before);
    });

    it('after the commit says that the change was made, if there is no batch to show', async () => {
      const key = fresh();
      const path = await queued();
      await client.post(`${path}/Pause`, undefined, key);
      await lose(key['Idempotency-Key']);
      expect(await client.post(`${path}/Pause`, undefined, key)).toMatchObject({
        status: 409,
        body: { code: 'idempotency_answer_lost' },
      });
    });

    it('before the commit is free as soon as its lock is over', async () => {
      const key = fresh();
      const service = test.app.get(IdempotencyService, { strict: false });
      const { rows } = await sql.query<{ principal: string }>(
        'SELECT principal FROM idempotency_key LIMIT 1',
      );
      const held = await service.acquire(rows[0]!.principal, key['Idempotency-Key']);
      if (held.kind === 'held') clearInterval(held.renewal);
      const path = await queued();
      expect(await client.post(`${path}/Pause`, undefined, key)).toMatchObject({
        status: 409,
        body: { code: 'idempotency_key_in_use' },
      });
      const { rows: locks } = await sql.query<{ soon: boolean }>(
        `SELECT locked_until <= now() + interval '10 seconds' AS soon FROM idempotency_key WHERE key = $1`,
        [key['Idempotency-Key']],
      );
      expect(locks).toEqual([{ soon: true }]);
      await sql.query(
        `UPDATE idempotency_key SET locked_until = now() - interval '1 second' WHERE key = $1`,
        [key['Idempotency-Key']],
      );
      expect((await client.post(`${path}/Pause`, undefined, key)).status).toBe(202);
    });
  });
});
