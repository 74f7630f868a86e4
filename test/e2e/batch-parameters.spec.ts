import { Client } from 'pg';
import { ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const Q = '/API/WorkflowImportQueue';
const ORIGIN = 'https://app.example.org';

describe('parameters and headers of batches and import processes', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({ CORS_ORIGINS: ORIGIN });
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql?.end();
    await test?.close();
  });

  const processAs = async (changes: object) => {
    const path = `${Q}/ImportProcesses/${importProcessId}`;
    const { body } = await client.get(path);
    const { version: _, ...process } = body;
    return client.call('PUT', path, { body: { ...process, ...changes } });
  };
  const create = (query: Record<string, string | number>, rows = jsonl([member(1)])) =>
    client.createBatch(rows, { importProcessId, ...query });

  describe('metadata', () => {
    /** Break it: in `batchResource`, leave out `metadata`. */
    it('are stored with the batch and answered with it', async () => {
      const { body } = await create({ 'meta.source': 'crm', 'meta.run id': 'ü-7' });
      const batch = await client.batch(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      expect(batch.metadata).toEqual({ source: 'crm', 'run id': 'ü-7' });
      const uploaded = await client.upload(':Email\r\na@example.org\r\n', {
        importProcessId,
        'meta.__proto__': 'x',
      });
      expect(JSON.stringify(uploaded.body.metadata)).toBe('{"__proto__":"x"}');
    });

    it.each([
      ['a name of 201 characters', { [`meta.${'n'.repeat(201)}`]: 'x' }],
      ['a value of 201 characters', { 'meta.a': 'v'.repeat(201) }],
      ['no name', { 'meta.': 'x' }],
      ['17 pairs', Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`meta.${n}`, 'x']))],
      ['a control character', { 'meta.a': 'a\u0000' }],
    ])('are refused with %s', async (_, query) => {
      expect(await create(query)).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } });
    });

    it('are a part of the request that an Idempotency-Key stands for', async () => {
      const key = { 'Idempotency-Key': 'meta-1' };
      const call = (source: string) =>
        client.createBatch(jsonl([member(2)]), { importProcessId, 'meta.source': source }, key);
      expect((await call('a')).status).toBe(202);
      expect((await call('a')).headers.get('idempotency-replayed')).toBe('true');
      expect((await call('b')).status).toBe(422);
    });
  });

  describe('the key of an import process', () => {
    /** Break it: in `ImportProcessesService.create`, take the name as the key. */
    it('is made from the name, and stands for the id', async () => {
      const [first, second] = ['Übung Müller', 'Ubung-Muller'].map((name) => ({ name }));
      const { body: process } = await client.get(`${Q}/ImportProcesses/${importProcessId}`);
      const { id: _i, key: _k, version: _v, createdAt: _c, updatedAt: _u, ...rest } = process;
      const made = await client.post(`${Q}/ImportProcesses`, { ...rest, ...first });
      expect(made.body.key).toBe('ubung-muller');
      expect((await client.post(`${Q}/ImportProcesses`, { ...rest, ...second })).body.key).toBe(
        'ubung-muller-2',
      );
      expect(
        await client.post(`${Q}/ImportProcesses`, { ...rest, name: 'x', key: 'ubung-muller' }),
      ).toMatchObject({
        status: 409,
        body: { code: 'import_process_key_taken' },
      });
      for (const key of ['A', '1-2', 'a b', 'a'.repeat(61), '']) {
        const refused = await client.post(`${Q}/ImportProcesses`, { ...rest, name: 'y', key });
        expect([key, refused.status, refused.body.code]).toEqual([key, 400, 'invalid_body']);
      }
      const { id } = made.body;
      expect((await client.get(`${Q}/ImportProcesses/ubung-muller`)).body.id).toBe(id);
      expect((await client.get(`${Q}/ImportProcesses/ubung-muller/Schema`)).status).toBe(200);
      const batch = await client.createBatch(jsonl([member(3)]), { importProcessId: 'ubung-muller' });
      expect(batch.status).toBe(202);
      const listed = await client.get(`${Q}/Batches?importProcessId=ubung-muller`);
      expect(listed.body.items.map((item: { importProcessId: number }) => item.importProcessId)).toEqual([
        id,
      ]);
      const uploaded = await client.upload(':Email\r\na@example.org\r\n', {
        importProcessId: 'ubung-muller',
      });
      expect(uploaded.body.importProcessId).toBe(id);
      for (const path of [`${Q}/ImportProcesses/no-such-key`, `${Q}/Batches?importProcessId=no-such-key`]) {
        expect(await client.get(path)).toMatchObject({
          status: 404,
          body: { code: 'import_process_not_found' },
        });
      }
      const wrong = await client.createBatch(jsonl([member(3)]), { importProcessId: 'No Key' });
      expect(wrong).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } });
    });
  });

  /** Break it: in `readRow`, take `if stated` for `always`. */
  it('refuses rows without an identifier unless the import process allows them', async () => {
    const rows = jsonl([{ 'First Name': 'Ada' }, { ':Email': '', 'First Name': 'Eve' }]);
    const refused = await create({}, rows);
    expect(refused.body.recordCounts).toMatchObject({ total: 2, invalid: 2 });
    const codes = (await client.recordsOf(refused)).map(({ error }) => error.code);
    expect(codes).toEqual(['no_identifier', 'no_identifier']);
    expect((await processAs({ allowWithoutIdentifier: true })).status).toBe(200);
    const accepted = await create({}, rows);
    await client.ended(accepted.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect((await client.recordsOf(accepted)).map(({ operation }) => operation)).toEqual([
      'created',
      'created',
    ]);
  });

  /** Break it: in `momentOf` and `timeOf`, leave out the time zone. */
  it('reads times without an offset in the time zone of the import process', async () => {
    const workflow = {
      ...MEMBER_WORKFLOW,
      name: 'times',
      attributes: [...MEMBER_WORKFLOW.attributes, { name: 'At', type: 'DateTime' as const }],
      steps: MEMBER_WORKFLOW.steps.map((step) => ({
        ...step,
        actions: step.actions.map((action) => ({ ...action, inputs: [...action.inputs, 'At'] })),
      })),
    };
    const id = await client.setUp(workflow, {}, { timeZone: 'Europe/Berlin' });
    const file = [
      ':Email,First Name,At',
      'a@example.org,A,2026-01-31 09:30',
      'b@example.org,B,2026-07-31T09:30:00',
      'c@example.org,C,2026-07-31T09:30:00Z',
    ].join('\r\n');
    const uploaded = await client.upload(file, { importProcessId: id });
    expect(uploaded.body).toMatchObject({
      recordCounts: { invalid: 0 },
      understood: { timeZone: 'Europe/Berlin' },
    });
    const records = await client.recordsOf(uploaded);
    expect(records.map(({ record }) => record.At)).toEqual([
      '2026-01-31T09:30:00+01:00',
      '2026-07-31T09:30:00+02:00',
      '2026-07-31T09:30:00Z',
    ]);
    expect(await processAs({ timeZone: 'Mars/Olympus' })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/timeZone' }] },
    });
  });

  describe('Prefer: wait', () => {
    const read = (id: number, prefer: string) =>
      client.call('GET', `${Q}/Batches/${id}`, { headers: { prefer } });

    /** Break it: in `BatchesController.batch`, do not call `settled`. */
    it('answers when the batch has ended', async () => {
      const { body } = await create({}, jsonl(Array.from({ length: 50 }, (_, n) => member(100 + n))));
      const answer = await read(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 'respond-async, wait=30');
      expect([answer.body.status, answer.headers.get('preference-applied')]).toEqual([
        'completed',
        'wait=30',
      ]);
    });

    it('answers at once for an upload that awaits confirmation and for a paused batch', async () => {
      const uploaded = await client.upload(':Email,First Name\r\na@example.org,A\r\n', { importProcessId });
      const waiting = await read(uploaded.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 'wait=60');
      expect(waiting.body.status).toBe('awaiting_confirmation');
      const later = new Date(Date.now() + 3600_000).toISOString();
      const { body } = await create({ notBefore: later });
      const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      await client.post(`${Q}/Batches/${id}/Pause`);
      expect((await read(id, 'wait=60')).body.status).toBe('paused');
    });

    it('is ignored unless it is a number of seconds', async () => {
      const later = new Date(Date.now() + 3600_000).toISOString();
      const { body } = await create({ notBefore: later });
      for (const prefer of ['wait=0', 'wait=x', 'wait', 'waiting=5']) {
        const answer = await read(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, prefer);
        expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, null]);
      }
    });
  });

  describe('pages of other origins', () => {
    const send = (method: string, path: string, headers: Record<string, string>) =>
      fetch(test.url + path, { method, headers });

    /** Break it: in `start.ts`, leave out `crossOrigin`. */
    it('may call the API with a key, if the origin is in CORS_ORIGINS', async () => {
      const preflight = await send('OPTIONS', `${Q}/CreateBatch`, {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,idempotency-key',
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(preflight.headers.get('access-control-allow-headers')).toMatch(/Authorization.*Idempotency-Key/);
      expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
      const answer = await send('GET', `${Q}/Batches`, {
        origin: ORIGIN,
        authorization: `Bearer ${TEST_API_KEY}`,
      });
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, ORIGIN]);
      const refused = await send('GET', `${Q}/Batches`, { origin: ORIGIN });
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, ORIGIN]);
    });

    it.each([
      ['https://evil.example', `${Q}/Batches`],
      [`${ORIGIN}.evil.example`, `${Q}/Batches`],
      ['null', `${Q}/Batches`],
      [ORIGIN, '/login'],
      [ORIGIN, '/imports'],
    ])('get no permission otherwise: %s at %s', async (origin, path) => {
      const answer = await send('GET', path, { origin });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    });
  });
});
