import { type Answer, ImportClient, jsonl, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('a CSV file that was downloaded and is uploaded again', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });

  afterAll(() => test.close());

  /** Break it: in `CsvRows.isLeftAsItIs`, answer `false` for files that are not ours. */
  it('leaves stored values as they are where a cell is empty, unless empty cells clear', async () => {
    const columns = ':UniqueId,:Email,First Name,Last Name,Notes\r\n';
    const send = async (row: string, query: Record<string, string> = {}) => {
      const sent = await client.upload(`${columns}${row}\r\n`, { importProcessId, ...query });
      await client.act(sent, 'Confirm');
      const { operations } = await client.ended(sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      return { operations, emptyCells: sent.body.summary.emptyCells };
    };
    await send('E-1,e1@example.org,Eve,Ell,keep me');
    expect(await send("E-1,e1@example.org,Eve,,''")).toMatchObject({ emptyCells: 1 });
    expect(await send('E-1,e1@example.org,Eve,Ell,')).toMatchObject({
      operations: { unchanged: 1 },
      emptyCells: 1,
    });
    expect(await send('E-1,e1@example.org,Eve,Ell,', { emptyCells: 'clear' })).toMatchObject({
      operations: { updated: 1 },
      emptyCells: 0,
    });
  });

  describe('as a program rewrote it, without the quotes of empty cells', () => {
    const failedRowsOf = async (rows: object[]) => {
      const sent = await client.createBatch(jsonl(rows), { importProcessId });
      const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = await client.ended(
        sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
      );
      const path = `/API/WorkflowImportQueue/Batches/${id}/Results?set=failed&format=csv`;
      const { body } = await client.get(path);
      return (body as string).replace(/(?<=^|,)""(?=,|\r?$)/gm, '');
    };
    const member = (n: number, more: object) => ({ ':UniqueId': `Q-${n}`, 'First Name': 'Ada', ...more });
    const sendAgain = async (csv: string, process = importProcessId) => {
      const sent = await client.upload(csv, { importProcessId: process });
      return (await client.recordsOf(sent)).map(({ record, error }: any) => ({ record, code: error?.code }));
    };

    /** Break it: in `TableRows.kept`, answer `undefined` for empty cells; in `UploadsService.check`, find no records. */
    it('clears what the record cleared, and leaves alone what it lacked', async () => {
      const csv = await failedRowsOf([
        member(1, { Notes: null, Level: 'Boss' }),
        member(2, { 'Last Name': '', Level: 'Boss' }),
      ]);
      const corrected = csv.replaceAll('Boss', 'Fellow');
      expect(await sendAgain(corrected)).toEqual([
        {
          record: { ':UniqueId': 'Q-1', 'First Name': 'Ada', Notes: null, Level: 'Fellow' },
          code: undefined,
        },
        {
          record: { ':UniqueId': 'Q-2', 'First Name': 'Ada', Level: 'Fellow', 'Last Name': '' },
          code: undefined,
        },
      ]);
      const [first] = await sendAgain(corrected.replace('Ada', ''));
      expect(first?.record).toMatchObject({ 'First Name': '' });
    });

    /** Break it: in `selectSentRecords`, leave out the import process. */
    it('does not take the records of another import process', async () => {
      const csv = (await failedRowsOf([member(3, { Notes: null, Level: 'Boss' })])).replace('Boss', 'Fellow');
      const [row] = await sendAgain(csv, await client.setUp());
      expect(Object.keys(row?.record)).toEqual([':UniqueId', 'First Name', 'Level']);
    });

    /** Break it: in `TableRows.kept`, compare nothing. */
    it('refuses again a value of the wrong type that no one corrected', async () => {
      const csv = await failedRowsOf([member(4, { Notes: ['A', 'B'] }), member(5, { Notes: { a: 1 } })]);
      expect(await sendAgain(csv)).toMatchObject([
        { record: { Notes: ['A', 'B'] }, code: 'wrong_type' },
        { record: { Notes: { a: 1 } }, code: 'wrong_type' },
      ]);
    });
  });

  /** Break it: in `TableSurvey.see`, look at no identifiers. */
  it('has a warning about identifiers that a spreadsheet has rounded', async () => {
    const csv = ':UniqueId,First Name,Notes\r\n1.23457E+19,Ada,1.5E+03\r\n00017,Bob,\r\n';
    const { body } = await client.upload(csv, { importProcessId });
    expect(body.summary.warnings).toMatchObject([
      { code: 'identifier_rounded', columns: [':UniqueId'], samples: ['1.23457E+19'] },
    ]);
  });

  it('brings failed rows back unchanged or corrected, with their cells, formulas and original lines', async () => {
    const rows = [
      [':UniqueId', ':Email', 'First Name', 'Last Name', 'Level', 'Notes'],
      ['R-1', 'r1@example.org', '=1+1', '', 'Knight', "'=2"],
      ['R-2', 'r2@example.org', 'Bob', 'B', 'Fellow', ''],
      ['R-3', 'r3@example.org', '+49 89', '-', 'Knight', 'x\r\n"y", z'],
    ];
    const csv = rows
      .map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(','))
      .join('\n');
    const sent = await client.upload(csv, { importProcessId, emptyCells: 'clear', apostrophes: 'keep' });
    await client.act(sent, 'Confirm');
    await client.ended(sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { body: failed } = await client.get(`${sent.body.links.results}?set=failed&format=csv`);
    expect(failed).toContain('_line,_status,_error');

    const again = await client.upload(failed as string, { importProcessId });
    expect(again.body).toMatchObject({
      recordCounts: { total: 2, invalid: 2 },
      summary: { columns: { unknown: [], missing: [] }, errorGroups: [{ code: 'not_an_option', count: 2 }] },
    });
    const cellsOf = (items: any[]) => items.map(({ record }) => Object.values(record));
    const stored = await client.recordsOf(again);
    expect(cellsOf(stored)).toEqual([rows[1], rows[3]]);
    expect(stored.map(({ line, originLine }) => [line, originLine])).toEqual([
      [2, 2],
      [3, 4],
    ]);

    const mended = await client.upload((failed as string).replaceAll('Knight', 'Fellow'), {
      importProcessId,
    });
    expect(mended.body).toMatchObject({ recordCounts: { total: 2, invalid: 0 } });
    await client.act(mended, 'Confirm');
    expect(await client.ended(mended.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
      status: 'completed',
      operations: { created: 2 },
    });
  });

  it('leaves values absent that a record did not have, instead of clearing them', async () => {
    const sent = await client.upload(
      jsonl([
        { ':UniqueId': 'A-1', 'First Name': 'Ann', 'Last Name': 'A', Level: 'Fellow' },
        { ':UniqueId': 'A-1', 'First Name': 'Ann', Level: 'Knight' },
        { ':Email': 'a2@example.org', 'First Name': '', 'Last Name': 'B' },
      ]),
      { importProcessId },
    );
    const { body: failed } = await client.get(`${sent.body.links.results}?set=failed&format=csv`);
    expect(
      (await client.recordsOf(await client.upload(failed as string, { importProcessId }))).map(
        ({ record }) => record,
      ),
    ).toEqual([
      { ':UniqueId': 'A-1', 'First Name': 'Ann', Level: 'Knight' },
      { ':Email': 'a2@example.org', 'First Name': '', 'Last Name': 'B' },
    ]);
  });

  /** Break it: in `cellText`, answer `null` for `'null'`. */
  it('still clears what a record cleared with null', async () => {
    const sent = { ':UniqueId': 'N-1', 'First Name': 'Ann', Hours: 5, Notes: 'x' };
    const start = await client.createBatch(jsonl([sent]), { importProcessId });
    await client.ended(start.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const clearing = { ':UniqueId': 'N-1', 'First Name': 'Ann', Hours: null, Level: 'Knight' };
    const refused = await client.createBatch(jsonl([clearing]), { importProcessId });
    await client.ended(refused.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { body: failed } = await client.get(`${refused.body.links.results}?set=failed&format=csv`);

    const again = await client.upload((failed as string).replace('Knight', 'Fellow'), { importProcessId });
    await client.act(again, 'Confirm');
    await client.ended(again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const { body } = await client.get('/API/Workflows/grant-role/Instances?identifier=:UniqueId:N-1');
    expect(body.items[0].attributes).toEqual({
      ':UniqueId': 'N-1',
      'First Name': 'Ann',
      Level: 'Fellow',
      Notes: 'x',
    });
  });

  /** Break it: in `itemsOf` of MultiSelectList, answer `split` always. */
  it('has the options that were sent as an array', async () => {
    const listing = structuredClone({ ...MEMBER_WORKFLOW, name: 'with-a-list' });
    listing.attributes.push({ name: 'Tags', type: 'MultiSelectList', options: ['A', 'B', 'C, D'] });
    listing.steps[0]!.actions[0]!.inputs.push('Tags');
    const own = await client.setUp(listing);
    const row = { ':UniqueId': 'T-1', 'First Name': 'Ann', Tags: ['A', 'C, D'], Level: 'Knight' };
    const refused = await client.createBatch(jsonl([row]), { importProcessId: own });
    const { body: failed } = await client.get(`${refused.body.links.results}?set=failed&format=csv`);
    const again = await client.upload((failed as string).replace('Knight', 'Fellow'), {
      importProcessId: own,
    });
    await client.act(again, 'Confirm');
    expect(await client.ended(again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
      status: 'completed',
    });
    const { body } = await client.get('/API/Workflows/with-a-list/Instances');
    expect(body.items[0].attributes.Tags).toEqual(['A', 'C, D']);
  });

  /** Break it: in `collectColumns`, leave out what was sent; the retry: in `selectSentColumns`, leave out the parents. */
  it('has its columns in their order when it is downloaded again, even if cells or sets are empty', async () => {
    const first = await client.upload(
      jsonl([
        { ':UniqueId': 'O-1', 'Last Name': 'A', 'First Name': 'Ann', Level: 'Knight' },
        { ':UniqueId': 'O-2', 'First Name': 'Bob', Notes: 'x', Level: 'Knight' },
      ]),
      { importProcessId },
    );
    const download = async ({ body }: Answer, set: string): Promise<string[]> =>
      (await client.get(`${body.links.results}?set=${set}&format=csv`)).body.split('\r\n');
    const [header, ...rows] = await download(first, 'failed');
    expect(header).toBe(':UniqueId,Last Name,First Name,Level,Notes,_line,_status,_error,_batch');
    // Another row comes first, which has no Last Name.
    const file = [header, rows[1], rows[0], ''].join('\r\n');
    const second = await client.upload(file, { importProcessId });
    await client.act(second, 'Confirm');
    await client.ended(second.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect((await download(second, 'failed'))[0]).toBe(header);
    expect(await download(second, 'succeeded')).toEqual([header, '']);
    const retry = await client.post(`${second.body.links.self}/RetryFailed`);
    expect((await download(retry, 'failed'))[0]).toBe(header);
  });

  /** Break it: in `cellOfOurs`, do not restore halves; in `csvCell`, do not escape them. */
  it('does not turn half of a surrogate pair into valid text, and keeps valid text', async () => {
    const rows = [
      '{":UniqueId":"S-1","First Name":"x\\ud800y"}',
      '{":UniqueId":"S-2","First Name":"x\\\\ud800y","Level":"Knight"}',
    ];
    const refused = await client.createBatch(rows.join('\n'), { importProcessId });
    const { body: failed } = await client.get(`${refused.body.links.results}?set=failed&format=csv`);
    expect(failed).toContain('S-1,x\\ud800y,');
    const again = await client.recordsOf(
      await client.upload((failed as string).replace('Knight', 'Fellow'), { importProcessId }),
    );
    expect(again.map(({ status, error, record }) => [status, error?.code, record['First Name']])).toEqual([
      ['invalid', 'unstorable_text', 'x\ud800y'],
      ['pending', undefined, 'x\\ud800y'],
    ]);
  });

  describe('an export of instances', () => {
    const CLUB = structuredClone({ ...MEMBER_WORKFLOW, name: 'club' });
    const [IMPORT] = CLUB.steps;
    CLUB.attributes.push(
      { name: 'Areas', type: 'MultiSelectList', options: ['A;B', 'C'] },
      { name: 'Joined', type: 'ShortText' },
    );
    IMPORT!.actions[0]!.inputs.push('Areas');
    IMPORT!.actions[0]!.behaviors = [{ kind: 'setAttribute', name: 'Joined', value: 'yes' }];
    const people = [
      { ':UniqueId': 'E-1', 'First Name': '=1+1', Notes: '+49 30 1234', Areas: ['A;B', 'C'] },
      { ':Email': 'e2@example.org', 'First Name': "'=2", 'Last Name': 'x\r\n"y", z', Hours: '1.50' },
    ];
    let own: number;
    let csv: string;

    beforeAll(async () => {
      own = await client.setUp(CLUB);
      const { body } = await client.createBatch(jsonl(people), { importProcessId: own });
      await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      csv = (await client.get('/API/Workflows/club/Instances/Export?format=csv')).body;
    });

    it('names an attribute that is not an input of the action, and does not import it', async () => {
      const again = await client.upload(csv, { importProcessId: own });
      expect(again.body.summary).toMatchObject({
        valid: 2,
        columns: { unknown: [{ header: 'Joined' }] },
        errorGroups: [],
      });
    });

    /** Break it: in `addedColumns`, answer `null` for a file with `_id`; in `CsvRows.text`, do not restore. */
    it('changes nothing if it is uploaded unchanged', async () => {
      const again = await client.upload(csv, { importProcessId: own }, { mapping: '{"Joined":null}' });
      expect(again.body).toMatchObject({
        recordCounts: { total: 2, invalid: 0 },
        summary: { columns: { unknown: [] } },
      });
      await client.act(again, 'Confirm');
      expect(await client.ended(again.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
        status: 'completed',
        operations: { created: 0, updated: 0, unchanged: 2 },
      });
    });

    it('is read by its content, without the columns we added and the values that were left alone', async () => {
      const again = await client.upload(csv, { importProcessId: own }, { mapping: '{"Joined":null}' });
      expect((await client.recordsOf(again)).map(({ record }) => record)).toEqual([
        { ':UniqueId': 'E-1', 'First Name': '=1+1', Notes: '+49 30 1234', Areas: 'A\\;B;C' },
        { ':Email': 'e2@example.org', 'First Name': "'=2", 'Last Name': 'x\r\n"y", z', Hours: '1.5' },
      ]);
    });
  });
});
