import { Client } from 'pg';
import { type Answer, ImportClient } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** `E-mail`, `Vorname` and `Bemerkung` are columns of no row. */
const HEADER = ':UniqueId,E-mail,Vorname,Level,Bemerkung';

describe('the columns of a file that was uploaded already', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;
  let cookie: string;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '100' });
    client = new ImportClient(test.url);
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
    cookie = await signIn(test);
  });
  beforeEach(async () => {
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const upload = async (lines: readonly string[], fileName = 'odd.csv'): Promise<number> => {
    const { status, body } = await client.upload(lines.join('\n'), {
      ...{ importProcessId, fileName },
      sendFailureEmailTo: 'owner@example.org',
    });
    expect(status).toBe(202);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const say = (id: number, columns: Record<string, string>): Promise<Response> =>
    fetch(`${test.url}/imports/${id}/columns`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: test.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(
        Object.fromEntries(Object.entries(columns).map(([header, target]) => [`column:${header}`, target])),
      ),
    });
  const matched = async (id: number, columns: Record<string, string>): Promise<number> => {
    const response = await say(id, columns);
    expect([response.status, response.headers.get('location')]).toEqual([303, `/imports/${id}`]);
    return id;
  };
  const MAPPED = { 'E-mail': ':Email', Vorname: 'First Name', Bemerkung: '-' };
  const records = async (id: number): Promise<any[]> =>
    (await client.get(`/API/WorkflowImportQueue/Batches/${id}/Records?limit=200`)).body.items;

  it('can be changed without sending the file again: the same import is read and checked again', async () => {
    const first = await upload([HEADER, 'M-1,a@example.org,Ada,Fellow,x', 'M-2,no address,Bob,Fellow,']);
    expect(await client.batch(first)).toMatchObject({
      recordCounts: { total: 2, invalid: 2 },
      summary: { columns: { unknown: [{ header: 'Vorname' }, { header: 'Bemerkung' }] } },
    });

    const second = await matched(first, MAPPED);
    expect(await client.batch(second)).toMatchObject({
      status: 'awaiting_confirmation',
      fileName: 'odd.csv',
      creationPath: 'IMPORT_QUEUE_UI',
      recordCounts: { total: 2, invalid: 1, pending: 1 },
      understood: {
        format: 'csv',
        columns: [
          { header: ':UniqueId', target: ':UniqueId' },
          { header: 'E-mail', target: ':Email' },
          { header: 'Vorname', target: 'First Name' },
          { header: 'Level', target: 'Level' },
          { header: 'Bemerkung', target: null },
        ],
      },
      summary: {
        columns: { unknown: [], missing: [] },
        operations: { create: 1, update: 0, unchanged: 0, reject: 0 },
        errorGroups: [{ code: 'not_an_email', count: 1, sampleLine: 3 }],
      },
    });
    const { rows: payloads } = await sql.query(
      'SELECT payload FROM import_queue_record WHERE workflow_import_queue_batch_id = $1 ORDER BY line_number',
      [second],
    );
    expect(payloads).toEqual([
      { payload: '{":UniqueId":"M-1",":Email":"a@example.org","First Name":"Ada","Level":"Fellow"}' },
      { payload: '{":UniqueId":"M-2",":Email":"no address","First Name":"Bob","Level":"Fellow"}' },
    ]);
    await client.post(`/API/WorkflowImportQueue/Batches/${second}/Confirm`);
    expect(await client.ended(second)).toMatchObject({ recordCounts: { succeeded: 1, invalid: 1 } });
    const { rows: mails } = await sql.query(
      'SELECT recipient FROM outbox WHERE workflow_import_queue_batch_id = $1',
      [second],
    );
    expect(mails).toEqual([{ recipient: 'owner@example.org' }]);
  });

  it('stand for that in later files, too, once it is confirmed', async () => {
    const mapped = await matched(await upload([HEADER, 'M-3,c@example.org,Cid,Fellow,']), MAPPED);
    await client.post(`/API/WorkflowImportQueue/Batches/${mapped}/Confirm`);
    const later = await upload([HEADER, 'M-4,d@example.org,Dan,Fellow,']);
    expect(await client.batch(later)).toMatchObject({ recordCounts: { invalid: 0, pending: 1 } });
  });

  it('apply to every row of a file of many pages, in ordinary chunks', async () => {
    const rows = Array.from({ length: 4_100 }, (_, n) => `L-${n},l${n}@example.org,Row ${n},Fellow,`);
    const id = await matched(await upload([HEADER, ...rows]), MAPPED);
    expect(await client.batch(id)).toMatchObject({ recordCounts: { total: 4_100, invalid: 0 } });
    const { rows: stored } = await sql.query(
      `SELECT count(*)::int AS records, count(DISTINCT line_number)::int AS lines,
              count(*) FILTER (WHERE payload::json ->> ':UniqueId' = 'L-' || line_number - 2
                                 AND payload::json ->> 'First Name' = 'Row ' || line_number - 2)::int AS right,
              (SELECT count(*)::int FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1) AS chunks
         FROM import_queue_record WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    expect(stored).toEqual([{ records: 4_100, lines: 4_100, right: 4_100, chunks: 41 }]);
  });

  it('do not complete a row that is too short or too long', async () => {
    const first = await upload([HEADER, 'M-5,e@example.org,Eve', 'M-6,f@example.org,Flo,Fellow,,more']);
    const id = await matched(first, MAPPED);
    expect(await records(id)).toMatchObject([
      { line: 2, error: { code: 'wrong_cell_count' } },
      { line: 3, error: { code: 'wrong_cell_count' } },
    ]);
  });

  it('keep the original lines of downloaded rows', async () => {
    const first = await upload([`_line,_error,${HEADER}`, '17,wrong,M-7,g@example.org,Gus,Fellow,']);
    const { rows } = await sql.query(
      'SELECT line_number, origin_line FROM import_queue_record WHERE workflow_import_queue_batch_id = $1',
      [await matched(first, MAPPED)],
    );
    expect(rows).toEqual([{ line_number: 2, origin_line: 17 }]);
  });

  it.each([
    [
      'two columns for one value',
      { 'E-mail': 'First Name', Vorname: 'First Name' },
      400,
      /names a column more than once/,
    ],
    ['a column of no row, which is shown as such', { 'E-mail': 'Mail' }, 303, /Redirecting/],
  ])('may be said to be %s', async (_what, columns, status, text) => {
    const id = await upload([HEADER, 'M-8,h@example.org,Hal,Fellow,']);
    const answer = await say(id, columns);
    expect(answer.status).toBe(status);
    expect(await answer.text()).toMatch(text);
    expect(await client.batch(id)).toMatchObject({ status: 'awaiting_confirmation' });
  });

  it.each([
    [
      'is confirmed',
      async (id: number): Promise<Answer> => client.post(`/API/WorkflowImportQueue/Batches/${id}/Confirm`),
    ],
    [
      'is abandoned',
      async (id: number): Promise<Answer> => client.post(`/API/WorkflowImportQueue/Batches/${id}/Abandon`),
    ],
  ])('are settled once it %s', async (_state, settle) => {
    const id = await upload([HEADER, 'M-9,i@example.org,Ida,Fellow,']);
    await settle(id);
    expect((await say(id, MAPPED)).status).toBe(409);
  });

  it('do not exist in JSON Lines, whose keys stay as they are', async () => {
    const id = await upload(['{":UniqueId":"M-10","Vorname":"Jo"}'], 'odd.jsonl');
    await matched(id, MAPPED);
    expect(await records(id)).toMatchObject([{ error: { code: 'unknown_column', pointer: '/Vorname' } }]);
  });
});
