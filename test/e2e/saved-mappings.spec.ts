import { Client } from 'pg';
import { type Answer, ImportClient } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** What a personnel system writes: its own names, codes, dates and numbers. */
const EXPORT = 'Nr;Rang;Geburt;Std;Notiz\nM-1;A;05.06.1960;1.500;x\nM-2; f ;01.02.1961;;\nM-3;Boss;;2,5;y\n';
const HR_EXPORT = {
  name: 'HR export',
  reading: { decimalMark: 'comma' },
  columns: {
    Nr: ':UniqueId',
    Rang: { field: 'Level', values: { A: 'Associate', f: 'Fellow' } },
    Geburt: { field: 'Date Of Birth', dateOrder: 'dmy' },
    Std: { field: 'Hours', default: '0' },
    Notiz: null,
  },
  constants: { 'First Name': 'Unknown' },
};

describe('saved mappings', () => {
  let app: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
  });
  beforeEach(async () => {
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const route = (name?: string) =>
    `/API/WorkflowImportQueue/ImportProcesses/${importProcessId}/Mappings${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
  const save = async (mapping: object): Promise<Answer> => {
    const answer = await client.post(route(), mapping);
    expect([answer.status, answer.body.code]).toEqual([201, undefined]);
    return answer;
  };
  const upload = async (file: string, choices: Record<string, string> = {}): Promise<Answer> => {
    const answer = await client.upload(file, { importProcessId, ...choices });
    expect([answer.status, answer.body.detail]).toEqual([202, undefined]);
    return answer;
  };
  const read = (answer: Answer, choices: object): Promise<Answer> =>
    client.post(`${answer.body.links.self}/Read`, choices);
  const records = async (answer: Answer) => (await client.recordsOf(answer)).map(({ record }) => record);
  const clientWith = async (permissions: readonly string[]): Promise<ImportClient> => {
    const { status, body } = await client.post('/API/ApiKeys', { name: `${Math.random()}`, permissions });
    expect(status).toBe(201);
    return new ImportClient(app.url, body.key);
  };
  const names = async () => (await client.get(route())).body.items.map(({ name }: any) => name);

  describe('as a resource', () => {
    it('are created, listed, read, replaced, renamed and removed', async () => {
      const created = await save(HR_EXPORT);
      expect(created.headers.get('location')).toBe(route('HR export'));
      const { body } = await client.get(route('HR export'));
      expect(body).toEqual({
        ...{ name: 'HR export', version: 1, automatic: false, reading: { decimalMark: 'comma' } },
        columns: { ...HR_EXPORT.columns, Nr: { field: ':UniqueId' }, Notiz: { field: null } },
        constants: { 'First Name': 'Unknown' },
        savedBy: expect.stringMatching(/^api-key:/),
        savedAt: expect.any(String),
      });
      // An answer can be edited and sent back.
      const renamed = await client.call('PUT', route('HR export'), { body: { ...body, name: 'HR / 2' } });
      expect(renamed).toMatchObject({ status: 200, body: { name: 'HR / 2', version: 2 } });
      expect(renamed.headers.get('etag')).toBe('"2"');
      expect(await names()).toEqual(['HR / 2']);
      expect((await client.get(route('HR export'))).body).toMatchObject({ code: 'mapping_not_found' });
      expect((await client.call('DELETE', route('HR / 2'))).status).toBe(204);
      expect((await client.call('DELETE', route('HR / 2'))).status).toBe(404);
      const { rows } = await sql.query(
        `SELECT action, details ->> 'name' AS name FROM audit_log WHERE subject = $1 AND action LIKE 'mapping%' ORDER BY audit_id`,
        [`import-process:${importProcessId}`],
      );
      expect(rows).toEqual([
        { action: 'mapping_saved', name: 'HR export' },
        { action: 'mapping_saved', name: 'HR / 2' },
        { action: 'mapping_removed', name: 'HR / 2' },
      ]);
    });

    /** Break it: in `SavedMappingsService.replace`, leave out `assertMeets`; or the check of `expected`; or of the name. */
    it('are not replaced by a caller who edited another version, nor take a name in use', async () => {
      await save(HR_EXPORT);
      await save({ name: 'Other', columns: { Nr: ':UniqueId' } });
      const put = (body: object, headers: Record<string, string> = {}) =>
        client.call('PUT', route('Other'), { body, headers });
      const other = { name: 'Other', columns: { Nr: ':UniqueId', Rang: 'Level' } };
      expect(await put(other, { 'if-match': '"7"' })).toMatchObject({ status: 412 });
      expect(await put({ ...other, version: 7 })).toMatchObject({
        status: 409,
        body: { code: 'version_conflict' },
      });
      expect(await put({ ...other, name: 'HR export' })).toMatchObject({
        body: { code: 'mapping_name_taken' },
      });
      expect(await client.post(route(), HR_EXPORT)).toMatchObject({ body: { code: 'mapping_name_taken' } });
      expect(await put(other, { 'if-match': '"1"' })).toMatchObject({ status: 200, body: { version: 2 } });
    });

    /** Break it: in `readColumns`, skip unknown members; in `refuseUnknownFields`, answer at once. */
    it.each([
      ['a field that does not exist', { columns: { a: 'Levle' } }, '/columns/a', 'did you mean Level?'],
      ['an unknown member', { columns: { a: { field: 'Level', value: {} } } }, '/columns/a/value', 'values'],
      ['an unknown choice', { columns: { a: { field: 'Level', case: 'Up' } } }, '/columns/a/case', 'upper'],
      [
        'values that are not text',
        { columns: { a: { field: 'Level', values: { a: 1 } } } },
        '/columns/a/values',
        'texts',
      ],
      ['constants that are not text', { columns: {}, constants: { Level: 1 } }, '/constants', 'texts'],
      ['an unknown constant', { columns: {}, constants: { Level2: 'a' } }, '/constants/Level2', 'Level'],
      ['an unknown reading', { columns: {}, reading: { dateOrder: 'x' } }, '/reading/dateOrder', 'dmy'],
      ['an unknown encoding', { columns: {}, reading: { encoding: 'x' } }, '/reading/encoding', 'x'],
      ['a mapping within', { columns: {}, reading: { mapping: {} } }, '/reading', 'beside it'],
    ])('name each mistake with its place: %s', async (_what, mapping, pointer, message) => {
      const { status, body } = await client.post(route(), { name: 'm', ...mapping });
      expect([status, body.code]).toEqual([400, 'invalid_mapping']);
      expect(body.errors).toEqual([expect.objectContaining({ pointer })]);
      expect(body.errors[0].message).toContain(message);
      expect(await names()).toEqual([]);
    });

    /** Break it: on `MappingsController`, require ManageImports as well. */
    it('need the permission Configure', async () => {
      await save(HR_EXPORT);
      const manager = await clientWith(['ManageImports', 'ViewImports', 'BeginWorkflowImportProcess']);
      const answers = await Promise.all([
        manager.get(route()),
        manager.get(route('HR export')),
        manager.post(route(), HR_EXPORT),
        manager.call('PUT', route('HR export'), { body: HR_EXPORT }),
        manager.call('DELETE', route('HR export')),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
      expect(await names()).toEqual(['HR export']);
    });

    /** Break it: in `store`, leave out the limit. */
    it('are at most 100', async () => {
      await sql.query(
        `INSERT INTO saved_mapping (import_process_id, name, columns, saved_by)
         SELECT $1, 'Mapping ' || n, '{"x":{"field":"Level"}}', 'api-key:1' FROM generate_series(1, 100) AS n`,
        [importProcessId],
      );
      const answer = await client.post(route(), HR_EXPORT);
      expect([answer.status, answer.body.code]).toEqual([409, 'too_many_mappings']);
      // What is kept automatically gives way.
      await upload('Nr,Name\nM-1,Ann\n', { mapping: '{"Nr":":UniqueId","Name":"First Name"}' });
      expect(await names()).toHaveLength(100);
    });
  });

  describe('that fit the headers of a file', () => {
    it('apply at once, to columns, values, dates, numbers, empty cells and missing fields', async () => {
      await save(HR_EXPORT);
      const answer = await upload(EXPORT);
      expect(answer.body).toMatchObject({
        recordCounts: { total: 3, invalid: 2 },
        understood: {
          ...{ mapping: 'HR export', savedMapping: 'HR export', dateOrder: 'dmy', decimalMark: 'comma' },
          constants: { 'First Name': 'Unknown' },
          columns: [
            { header: 'Nr', target: ':UniqueId' },
            { header: 'Rang', target: 'Level', recipe: { values: { A: 'Associate', f: 'Fellow' } } },
            { header: 'Geburt', target: 'Date Of Birth', recipe: { dateOrder: 'dmy' } },
            { header: 'Std', target: 'Hours', recipe: { default: '0' } },
            { header: 'Notiz', target: null },
          ],
        },
        summary: { columns: { unknown: [], missing: [] }, operations: { create: 1 }, warnings: [] },
      });
      expect(await records(answer)).toEqual([
        {
          ...{ ':UniqueId': 'M-1', Level: 'Associate', 'Date Of Birth': '1960-06-05' },
          // A point in a file with decimal commas is refused, not guessed.
          ...{ Hours: '1.500', 'First Name': 'Unknown' },
        },
        {
          ...{ ':UniqueId': 'M-2', Level: 'Fellow', 'Date Of Birth': '1961-02-01' },
          ...{ Hours: '0', 'First Name': 'Unknown' },
        },
        { ':UniqueId': 'M-3', Level: 'Boss', Hours: '2.5', 'First Name': 'Unknown' },
      ]);
    });

    /** Break it: in `TableRows.payload`, leave out the constants; in `ResultTable`, leave out other columns. */
    it('apply to the preview and to what is stored, and failed rows come back as the file had them', async () => {
      await save({ ...HR_EXPORT, reading: {} });
      const file = 'Nr;Rang;Geburt;Std;Notiz\nM-11;A;05.06.1960;2,5;x\nM-13;Boss;;1,5;"y;z"\n';
      const answer = await upload(file);
      const { body } = await client.get(`${answer.body.links.self}/Preview`);
      expect(body.items[0].changes).toContainEqual({ field: 'Level', before: null, after: 'Associate' });
      await client.act(answer, 'Confirm');
      const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      expect(await client.ended(id)).toMatchObject({ recordCounts: { succeeded: 1, invalid: 1 } });
      const failed = await client.get(`${answer.body.links.results}?set=failed`);
      const [header, row] = String(failed.body).replace('\ufeff', '').split('\r\n');
      expect(header).toBe('Nr;Rang;Geburt;Std;Notiz;First Name;_line;_status;_error;_batch');
      expect(row).toMatch(/^M-13;Boss;;1\.5;"y;z";Unknown;3;invalid;/);
      const again = await upload(String(failed.body).replace('Boss', 'f'));
      expect(again.body).toMatchObject({
        recordCounts: { total: 1, invalid: 0 },
        understood: { savedMapping: 'HR export' },
        summary: { warnings: [] },
      });
      expect(await records(again)).toEqual([
        { ':UniqueId': 'M-13', Level: 'Fellow', Hours: '1.5', 'First Name': 'Unknown' },
      ]);
    });

    /** Break it: in `readHeader`, apply saved fields before equal names; in `TableSurvey.constants`, ignore the columns. */
    it('never take the place of a column of the file, and a notice says so', async () => {
      await save({
        name: 'Old',
        columns: { Nr: ':UniqueId', Rang: 'Level', Hours: null },
        constants: { 'First Name': 'Unknown' },
      });
      const answer = await upload('Nr,Rang,Level,Hours,First Name\nM-1,Boss,Fellow,1,Ann\n');
      expect(answer.body).toMatchObject({
        recordCounts: { total: 1, invalid: 0 },
        summary: {
          warnings: [
            { code: 'mapping_overridden', columns: ['Rang', 'First Name'] },
            { code: 'mapping_ignores_field', columns: ['Hours'] },
          ],
        },
      });
      expect(await records(answer)).toEqual([
        { ':UniqueId': 'M-1', Level: 'Fellow', Hours: '1', 'First Name': 'Ann' },
      ]);
    });

    /** Break it: in `surveyed`, do not catch; in `TableSurvey.constants`, leave out `isKnown`. */
    it('do not prevent a file from being read that differs from the one they were saved for', async () => {
      await sql.query(
        `INSERT INTO saved_mapping (import_process_id, name, reading, columns, constants, saved_by)
         VALUES ($1, 'Old', '{"headerRow":9,"delimiter":";"}', '{"Nr":{"field":":UniqueId"},"Rank":{"field":"Gone"}}',
                 '{"Gone, too":"x"}', 'api-key:1')`,
        [importProcessId],
      );
      const answer = await upload('Nr,Rank,First Name\nM-1,x,Ann\n');
      expect(answer.body).toMatchObject({
        recordCounts: { total: 1, invalid: 0 },
        understood: { savedMapping: 'Old', headerRow: 1, delimiter: ',' },
        summary: {
          warnings: [
            { code: 'mapping_outdated', columns: ['Gone', 'Gone, too'] },
            { code: 'mapping_reading_ignored' },
          ],
        },
      });
    });

    /** Break it: in `surveyed`, answer what was found at first. */
    it('say where the header is and how the text is encoded', async () => {
      const bytes = Buffer.from('Nr;First Name\nTeam A;2\nNr;First Name\nM-1;Andr\u00e9\n', 'latin1');
      await save({
        name: 'Greek',
        reading: { headerRow: 3, encoding: 'iso-8859-7' },
        columns: { Nr: ':UniqueId', 'First Name': 'First Name' },
      });
      const answer = await client.upload(new Uint8Array(bytes), { importProcessId });
      expect(answer.body).toMatchObject({
        recordCounts: { total: 1 },
        understood: { headerRow: 3, encoding: 'iso-8859-7' },
      });
      expect(await records(answer)).toEqual([{ ':UniqueId': 'M-1', 'First Name': 'Andr\u03b9' }]);
      const stated = await client.upload(new Uint8Array(bytes), {
        ...{ importProcessId, headerRow: 1, encoding: 'windows-1252' },
      });
      expect(stated.body).toMatchObject({ recordCounts: { total: 3 }, understood: { headerRow: 1 } });
    });
  });

  describe('in a request', () => {
    /** Break it: in `chooserOf`, always choose what fits. */
    it('can be named, or left out, when a file is sent and when it is read again', async () => {
      await save({ name: 'Ann', columns: { Nr: ':UniqueId' }, constants: { 'First Name': 'Ann' } });
      await save({
        name: 'Bob',
        columns: { Nr: ':UniqueId', X: 'Level' },
        constants: { 'First Name': 'Bob' },
      });
      const file = 'Nr\nM-1\n';
      const named = await upload(file, { mapping: 'Bob' });
      expect(await records(named)).toEqual([{ ':UniqueId': 'M-1', 'First Name': 'Bob' }]);
      expect(await records(await upload(file))).toEqual([{ ':UniqueId': 'M-1', 'First Name': 'Ann' }]);
      const none = await read(named, { mapping: false });
      expect(none.body).toMatchObject({ understood: { mapping: {}, savedMapping: null, constants: {} } });
      const again = await read(named, { mapping: 'Ann', constants: { Level: 'Fellow', 'First Name': null } });
      expect(again.body.understood).toMatchObject({ mapping: 'Ann', constants: { Level: 'Fellow' } });
      expect(again.body.understood.constants).toEqual({ Level: 'Fellow' });
      const kept = await read(named, { emptyCells: 'clear' });
      expect(kept.body.understood).toMatchObject({ mapping: 'Ann', emptyCells: 'clear' });
      expect((await read(named, { mapping: 'Cid' })).body).toMatchObject({ code: 'mapping_not_found' });
      const unknown = await client.upload(file, { importProcessId, mapping: 'Cid' });
      expect([unknown.status, unknown.body.code]).toEqual([404, 'mapping_not_found']);
    });

    /** Break it: in `readMapping`, drop the recipes. */
    it('may have recipes of their own, which replace those that were saved', async () => {
      await save(HR_EXPORT);
      const answer = await upload('Nr;Rang;Geburt;Std;Notiz\nM-1;A;05.06.1960;2,5;x\n', {
        mapping: JSON.stringify({ Rang: { field: 'Level', values: { A: 'Fellow' } }, Notiz: 'First Name' }),
      });
      expect(await records(answer)).toEqual([
        {
          ...{ ':UniqueId': 'M-1', Level: 'Fellow', 'Date Of Birth': '1960-06-05' },
          ...{ Hours: '2.5', 'First Name': 'x' },
        },
      ]);
      const wrong = await client.upload(EXPORT, {
        importProcessId,
        mapping: '{"Rang":{"field":"Level","values":"A"}}',
      });
      expect([wrong.status, wrong.body.code]).toEqual([400, 'invalid_parameter']);
    });

    /** Break it: in `keepMapping`, replace nothing; or also what has a name. In `begin`, let everyone set defaults. */
    it('are kept when a manager of imports matches columns, and only then', async () => {
      const sender = await clientWith(['BeginWorkflowImportProcess', 'ViewImports']);
      const file = 'Nr,Rang,First Name\nM-1,A,Ann\n';
      const mapping = { Nr: ':UniqueId', Rang: { field: 'Level', values: { A: 'Fellow' } } };
      const own = await sender.upload(file, { importProcessId, fileName: 'people.csv' });
      const proposed = await sender.post(`${own.body.links.self}/Read`, { mapping });
      expect(proposed.body).toMatchObject({ recordCounts: { invalid: 0 } });
      await sender.post(`${own.body.links.self}/Confirm`);
      expect(await names()).toEqual([]);

      const managed = await upload(file, { fileName: 'people.csv' });
      await read(managed, { mapping });
      expect((await client.get(route())).body.items).toMatchObject([
        {
          ...{ name: 'people', automatic: true, constants: {} },
          columns: { Nr: { field: ':UniqueId' }, Rang: { field: 'Level', values: { A: 'Fellow' } } },
        },
      ]);
      const later = await sender.upload(file, { importProcessId });
      expect(later.body).toMatchObject({ recordCounts: { invalid: 0 }, understood: { mapping: 'people' } });

      await save({ name: 'People', columns: { Nr: ':UniqueId', Rang: 'Level', 'First Name': 'First Name' } });
      expect(await names()).toEqual(['People']);
      await read(managed, { mapping: { Nr: ':UniqueId', Rang: null } });
      expect(await names()).toEqual(['people', 'People']);
      await read(managed, { mapping: {} });
      expect(await names()).toEqual(['people', 'People']);
    });
  });

  describe('on the page of an import', () => {
    const form = async (path: string, fields: Record<string, string>, cookie: string) =>
      submit(app, path, fields, { cookie });

    /** Break it: in `mappingOf`, leave out the recipe. */
    it('are set with values and constants, saved under a name, and used for the next file', async () => {
      const administrator = await signIn(app);
      const page = async (id: number) =>
        (await fetch(`${app.url}/imports/${id}`, { headers: { cookie: administrator } })).text();
      const first = await upload('Nr,Rang,Std\nM-1,A,\n');
      const id = first.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const html = await page(id);
      expect(html).toContain('Not imported: 3 columns');
      await form(
        `/imports/${id}/columns`,
        { 'column:Nr': ':UniqueId', 'column:Rang': 'Level', 'column:Std': 'Hours' },
        administrator,
      );
      const matched = await page(id);
      expect(matched).toContain('Applied: 3 columns');
      expect(matched).toContain('name="values:Rang"');
      const filled = {
        ...{ 'column:Nr': ':UniqueId', 'column:Rang': 'Level', 'column:Std': 'Hours' },
        ...{ 'values:Rang': 'A = Associate\r\nF\tFellow', 'trim:Rang': '', 'default:Std': '4' },
        ...{ newConstant: 'First Name', newConstantValue: 'Ann' },
      };
      const applied = await form(`/imports/${id}/columns`, filled, administrator);
      expect([applied.status, applied.headers.get('location')]).toEqual([303, `/imports/${id}`]);
      expect(await records(first)).toEqual([
        { ':UniqueId': 'M-1', Level: 'Associate', Hours: '4', 'First Name': 'Ann' },
      ]);
      const wrong = await form(`/imports/${id}/columns`, { ...filled, 'trim:Rang': 'all' }, administrator);
      expect(wrong.status).toBe(400);

      const operator = await signIn(app, 'operator');
      const refused = await form(`/imports/${id}/mapping/save`, { name: '{}' }, administrator);
      expect(refused.status).toBe(400);
      const saved = await form(`/imports/${id}/mapping/save`, { name: 'Personnel' }, operator);
      expect([saved.status, saved.headers.get('location')]).toEqual([303, `/imports/${id}`]);
      expect(await names()).toEqual(['Personnel']);
      expect(await page(id)).toMatch(/<bdi>Personnel<\/bdi>/);

      const second = await upload('Nr,Rang,Std\nM-2,F,1\n');
      expect(await records(second)).toEqual([
        { ':UniqueId': 'M-2', Level: 'Fellow', Hours: '1', 'First Name': 'Ann' },
      ]);
      const next = second.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      expect(await page(next)).toMatch(/<option value="Personnel" selected>/);
      await form(`/imports/${next}/mapping`, { use: '-' }, administrator);
      expect(await client.batch(next)).toMatchObject({ understood: { savedMapping: null } });
      await form(`/imports/${next}/mapping`, { use: 'Personnel' }, administrator);
      expect(await client.batch(next)).toMatchObject({ understood: { mapping: 'Personnel' } });
      const removed = await form(
        `/imports/${next}/columns`,
        { 'column:Nr': ':UniqueId', 'column:Rang': 'Level', 'values:Rang': '', 'constant:First Name': '' },
        administrator,
      );
      expect(removed.status).toBe(303);
      expect(await records(second)).toEqual([{ ':UniqueId': 'M-2', Level: 'F', Hours: '1' }]);
    });

    it('cannot be saved by someone who may only send rows', async () => {
      const { body } = await upload('Nr\nM-1\n');
      const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const answer = await form(`/imports/${id}/mapping/save`, { name: 'Mine' }, await signIn(app, 'viewer'));
      expect(answer.status).toBe(403);
      expect(await names()).toEqual([]);
    });
  });
});
