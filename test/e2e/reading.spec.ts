import { Client } from 'pg';
import { type Answer, ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** As a spreadsheet with German settings saves it: a title, a blank row, local dates and numbers, a broken name. */
const MESSY = [
  'Members of the club;;;;;',
  ';;;;;',
  'Unique ID;E-Mail;FIRST_NAME;Date of birth;Hours;Remark',
  'M-1;ann@example.org ;Ann;13.11.1953;4,0;x',
  ';;;;;',
  'M-2;bob@example.org;Bob;01.02.1960;2,5;',
].join('\r\n');

describe('the reading of an uploaded file', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({ ROLE: 'api' });
    client = new ImportClient(test.url);
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  beforeEach(async () => {
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const upload = async (file: string | Uint8Array, choices: Record<string, string> = {}): Promise<Answer> => {
    const answer = await client.upload(file, { importProcessId, ...choices });
    expect(answer).toMatchObject({ status: 202 });
    return answer;
  };
  const read = (answer: Answer, choices: object): Promise<Answer> =>
    client.post(`${answer.body.links.self}/Read`, choices);
  const records = async (answer: Answer) =>
    (await client.recordsOf(answer)).map(({ line, row, status, record }) => ({ line, row, status, record }));
  const parts = async (answer: Answer): Promise<number> => {
    const { rows } = await sql.query(
      `SELECT count(*)::int AS parts FROM upload_part JOIN upload USING (upload_id)
        WHERE workflow_import_queue_batch_id = $1`,
      [answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
    );
    return rows[0].parts;
  };

  it('finds the header below a title, reads local dates and numbers, and says so', async () => {
    const answer = await upload(MESSY);
    expect(answer.body).toMatchObject({
      recordCounts: { total: 2, invalid: 0 },
      understood: {
        format: 'csv',
        delimiter: ';',
        headerRow: 3,
        dateOrder: 'dmy',
        decimalMark: 'comma',
        trim: 'ends',
        emptyCells: 'keep',
        columns: [
          { header: 'Unique ID', target: ':UniqueId' },
          { header: 'E-Mail', target: ':Email' },
          { header: 'FIRST_NAME', target: 'First Name' },
          { header: 'Date of birth', target: 'Date Of Birth' },
          { header: 'Hours', target: 'Hours' },
          { header: 'Remark', target: null },
        ],
      },
      summary: { valid: 2, blankRows: 1, columns: { unknown: [{ header: 'Remark' }] }, warnings: [] },
    });
    expect(await records(answer)).toEqual([
      {
        ...{ line: 4, row: 4, status: 'pending' },
        record: {
          ...{ ':UniqueId': 'M-1', ':Email': 'ann@example.org', 'First Name': 'Ann' },
          ...{ 'Date Of Birth': '1953-11-13', Hours: '4.0' },
        },
      },
      {
        ...{ line: 6, row: 6, status: 'pending' },
        record: {
          ...{ ':UniqueId': 'M-2', ':Email': 'bob@example.org', 'First Name': 'Bob' },
          ...{ 'Date Of Birth': '1960-02-01', Hours: '2.5' },
        },
      },
    ]);
  });

  it('asks for the order of dates that nothing decides, and reads the same file again by the answer', async () => {
    const answer = await upload(':UniqueId,First Name,Date Of Birth\nM-1,Ann,05.06.1960\n');
    expect(answer.body).toMatchObject({
      recordCounts: { total: 1, invalid: 1 },
      understood: { dateOrder: null },
      summary: {
        warnings: [{ code: 'date_order_unclear', columns: ['Date Of Birth'], samples: ['05.06.1960'] }],
      },
    });
    const again = await read(answer, { dateOrder: 'mdy' });
    expect(again).toMatchObject({
      status: 202,
      body: {
        WORKFLOW_IMPORT_QUEUE_BATCH_ID: answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
        status: 'awaiting_confirmation',
        recordCounts: { total: 1, invalid: 0 },
        understood: { dateOrder: 'mdy' },
        summary: { warnings: [], operations: { create: 1 } },
      },
    });
    expect((await records(again))[0]?.record['Date Of Birth']).toBe('1960-05-06');
    // What is left out keeps its value; null takes it from the file again.
    const kept = await read(answer, { trim: 'none' });
    expect(kept.body.understood).toMatchObject({ dateOrder: 'mdy', trim: 'none' });
    expect((await read(answer, { dateOrder: null })).body.understood.dateOrder).toBeNull();
  });

  it.each([
    [{ headerRow: 9 }, 400, 'header_row_missing'],
    [{ encoding: 'utf-16le' }, 400, 'empty_body'],
    [{ mapping: { Hours: 'First Name', FIRST_NAME: 'First Name' } }, 400, 'duplicate_columns'],
    [{ dateOrder: 'ydm' }, 400, 'invalid_body'],
  ])('changes nothing if the file cannot be read by %j', async (choices, status, code) => {
    const answer = await upload(MESSY);
    expect(await read(answer, choices)).toMatchObject({ status, body: { code } });
    expect(await client.batch(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
      recordCounts: { total: 2, invalid: 0 },
      summary: { valid: 2 },
    });
  });

  it('fills up short rows and clears values only if it is told to', async () => {
    const answer = await upload(':UniqueId,First Name,Level\nM-1,Ann\nM-2,Bob,\n');
    expect(answer.body).toMatchObject({
      recordCounts: { invalid: 1 },
      summary: { shortRows: 1, emptyCells: 1 },
    });
    const again = await read(answer, { shortRows: 'fill', emptyCells: 'clear' });
    expect(again.body).toMatchObject({ recordCounts: { invalid: 0 }, summary: { emptyCells: 0 } });
    expect((await records(again)).map(({ record }) => record.Level)).toEqual(['', '']);
  });

  it('matches columns by place in a file without a header', async () => {
    const answer = await upload('M-1,ann@example.org,Ann\n', { headerRow: 'none' });
    expect(answer.body).toMatchObject({
      recordCounts: { total: 1, invalid: 0 },
      understood: { headerRow: 'none' },
    });
    expect((await records(answer))[0]).toMatchObject({
      line: 1,
      record: { ':UniqueId': 'M-1', 'First Name': 'Ann' },
    });
  });

  it('names the row that a spreadsheet shows, where it is not the line', async () => {
    const answer = await upload('sep=;\n:UniqueId;First Name;Notes\nM-1;Ann;"two\nlines"\nM-2;Bob;\n');
    expect((await records(answer)).map(({ line, row }) => [line, row])).toEqual([
      [3, 2],
      [5, 3],
    ]);
  });

  it.each(['Confirm', 'Abandon'])('needs the bytes of the file until %s', async (action) => {
    // Two parts, of which the second is not full; digits that do not compress to nothing.
    const rows = Array.from({ length: 60_000 }, (_, n) => `M-${n},Name ${(n * 7919) % 10007} of many people`);
    const answer = await upload([':UniqueId,First Name', ...rows].join('\n'));
    expect(await parts(answer)).toBe(2);
    const again = await read(answer, { trim: 'none' });
    expect(again.body.recordCounts).toMatchObject({ total: 60_000, invalid: 0 });
    await client.act(answer, action);
    expect(await parts(answer)).toBe(0);
    expect(await read(answer, { trim: 'ends' })).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
  });

  it('does not change while the file is being read in the background', async () => {
    const answer = await upload(MESSY);
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await sql.query(
      'UPDATE upload SET reading_at = now(), rows_read = 1 WHERE workflow_import_queue_batch_id = $1',
      [id],
    );
    expect(await client.batch(id)).toMatchObject({ summary: null, progress: { processed: 1, total: 2 } });
    for (const action of ['Confirm', 'Abandon', 'Read']) {
      const { status, body } = await client.post(`${answer.body.links.self}/${action}`, {});
      expect([status, body.code]).toEqual([409, 'state_conflict']);
    }
  });

  it('stores no byte of a file that was refused', async () => {
    await client.upload('a,b\n1,"2', { importProcessId });
    const { rows } = await sql.query('SELECT FROM upload WHERE workflow_import_queue_batch_id IS NULL');
    expect(rows).toEqual([]);
  });
});
