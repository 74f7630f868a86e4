import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { BatchReader } from '../../src/batches/batch-reader.js';
import { type Answer, ImportClient, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROW = '{":Email":"ada@example.org","First Name":"Ada"}\n';

describe('a connection that breaks between COMMIT and its answer', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let app: TestApp;
  let client: ImportClient;
  let observer: Client;
  let importProcessId: number;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startTcpProxy(database.url);
    app = await startTestApp({ ROLE: 'api', DATABASE_URL: proxy.url });
    client = new ImportClient(app.url);
    importProcessId = await client.setUp();
    observer = new Client({ connectionString: database.url });
    await observer.connect();
  });
  afterAll(async () => {
    await observer?.end();
    await app?.close();
    await proxy?.close();
    await database?.drop();
  });

  const count = async (table: string): Promise<number> => {
    const { rows } = await observer.query<{ count: string }>(`SELECT count(*) FROM ${table}`);
    return Number(rows[0]?.count);
  };
  const create = (headers: Record<string, string> = {}) =>
    client.createBatch(ROW, { importProcessId }, headers);
  const upload = () => client.upload(':Email,First Name\r\nada@example.org,Ada\r\n', { importProcessId });

  /** Break it: in `DatabaseService.attempt`, throw the error of the commit. */
  it.each<[string, string, () => Promise<Answer>, number]>([
    ['CreateBatch', 'import_queue_batch', () => create(), 202],
    ['CreateBatch with a key', 'import_queue_batch', () => create({ 'Idempotency-Key': 'k1' }), 202],
    ['Uploads', 'import_queue_batch', upload, 202],
    [
      'a new workflow',
      'workflow',
      () => client.post('/API/Workflows', { ...MEMBER_WORKFLOW, name: 'other' }),
      201,
    ],
    [
      'a new API key',
      'api_key',
      () => client.post('/API/ApiKeys', { name: 'k', permissions: ['BeginWorkflowImportProcess'] }),
      201,
    ],
  ])('is answered as what it is: stored (%s)', async (_, table, call, status) => {
    const before = await count(table);
    void proxy.cutAfterNext('COMMIT');
    const answer = await call();
    expect([answer.status, await count(table)]).toEqual([status, before + 1]);
  });

  it('is answered as stored (actions on a batch)', async () => {
    const uploaded = await upload();
    for (const [action, status] of [
      ['Confirm', 'queued'],
      ['Pause', 'paused'],
      ['Resume', 'queued'],
      ['Cancel', 'canceling'],
    ] as const) {
      void proxy.cutAfterNext('COMMIT');
      const answer = await client.act(uploaded, action);
      expect([action, answer.status]).toEqual([action, 202]);
      expect([status, 'canceled']).toContain(answer.body.status);
    }
  });

  /** Break it: in `toProblem`, do not ask for CommitInDoubtError. */
  it('says that it may have been stored if PostgreSQL cannot be asked either', async () => {
    const sent = proxy.cutAfterNext('COMMIT');
    const pending = create();
    await sent;
    // PostgreSQL gets time to commit before nothing reaches it any more.
    await sleep(50);
    proxy.cut();
    const answer = await pending;
    proxy.restore();
    expect(answer).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
    expect(answer.body.detail).toMatch(/may have been stored.*Idempotency-Key/);
    expect(answer.body.detail).not.toMatch(/nothing was (done|stored)/i);
  }, 30_000);

  /** Break it: in `toProblem`, do not ask `hasCommitted`. */
  it('does not say that nothing was done if only the reading after the commit fails', async () => {
    const before = await count('import_queue_batch');
    const lost = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const spy = jest.spyOn(app.app.get(BatchReader, { strict: false }), 'get').mockRejectedValue(lost);
    const answer = await upload().finally(() => spy.mockRestore());
    expect(await count('import_queue_batch')).toBe(before + 1);
    expect(answer).toMatchObject({ status: 503, body: { code: 'stored_without_answer' } });
    expect(answer.body.detail).not.toMatch(/nothing was (done|stored)/i);
  });
});
