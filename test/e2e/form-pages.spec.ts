import { Client } from 'pg';
import { ImportClient, MEMBER_WORKFLOW } from '../support/import-client.js';
import { signIn, submit } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('the form of', () => {
  let app: TestApp;
  let client: ImportClient;
  let sql: Client;
  let cookie: string;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    cookie = await signIn(app);
  });
  beforeEach(async () => {
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const open = async (path: string) => (await fetch(app.url + path, { headers: { cookie } })).text();
  const send = async (path: string, fields: Record<string, string>) => {
    const response = await submit(app, path, fields, { cookie });
    return {
      ...{ status: response.status, location: response.headers.get('location') },
      html: await response.text(),
    };
  };
  const textOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

  describe('a file type', () => {
    /** Break it: in `inTheForm`, answer the mistake as it is. */
    it('asks for the action, beside the field, and does not mention JSON', async () => {
      const { status, html } = await send('/file-types', { name: 'Members' });
      expect(status).toBe(400);
      expect(html).toMatch(/id="error-performs">Choose an action</);
      const alert = textOf(/role="alert">(.*?)<form/s.exec(html)![1]!);
      expect(alert).toContain('The form has errors');
      expect(alert).not.toMatch(/JSON|target|body|\//);
    });

    /** Break it: in `read`, leave out `trim`. */
    it('refuses a blank name', async () => {
      const { status, html } = await send('/file-types', { name: '   ', performs: '{}' });
      expect([status, /id="error-name">([^<]*)/.exec(html)?.[1]]).toEqual([400, 'name is required']);
    });

    /** Break it: in `FileTypesPage.show`, show the version of the address. */
    it('is saved as a version that the page names', async () => {
      const path = `/file-types/${importProcessId}`;
      const [, performs = ''] = /<option value="([^"]+)" selected>Grant Role/.exec(await open(path))!;
      const fields = {
        name: `Saved ${importProcessId}`,
        performs: performs.replaceAll('&quot;', '"'),
        ...{ onNoMatch: 'create', onMatch: 'update', displayOrder: '0', retentionDays: '30' },
        ...{ timeZone: 'Europe/Berlin', allowWithoutIdentifier: 'yes' },
      };
      const { status, location } = await send(path, fields);
      expect([status, location]).toEqual([303, `${path}?saved=2`]);
      expect(await open(path)).toMatch(/name="retentionDays"[^>]* value="30"/);
      expect(await open(path)).toMatch(/name="timeZone"[^>]* value="Europe\/Berlin"/);
      expect(await open(path)).toMatch(/name="allowWithoutIdentifier" value="yes" checked/);
      expect(textOf(await open(`${path}?saved=2`))).toContain('Saved as version 2.');
      expect(textOf(await open(`${path}?saved=9`))).not.toContain('Saved as');
    });

    /** Break it: in `schemaOf`, ignore the columns; in `versionChanges`, compare with the same version. */
    it('edits the columns of a row in a table, and shows what each version changed', async () => {
      const path = `/file-types/${importProcessId}`;
      const [, performs = ''] = /<option value="([^"]+)" selected>Grant Role/.exec(await open(path))!;
      const form = {
        ...{ version: '1', name: 'Members', performs: performs.replaceAll('&quot;', '"') },
        ...{ onNoMatch: 'reject', onMatch: 'update', displayOrder: '0', ordered: 'yes', schemaBefore: '' },
        ...{
          'schema:0:before': '',
          'schema:0:name': 'Level',
          'schema:0:type': 'text',
          'schema:0:required': 'yes',
        },
        ...{ 'schema:0:values': 'Fellow\r\nSenior', 'schema:0:maxLength': '9', 'schema:1:name': '' },
      };
      const refused = await send(path, { ...form, 'schema:0:pattern': '(' });
      expect([refused.status, textOf(refused.html)]).toEqual([
        400,
        expect.stringContaining('pattern is not a regular expression'),
      ]);
      expect(refused.html).toContain('value="("');
      expect((await send(path, form)).status).toBe(303);
      const { rows } = await sql.query(
        'SELECT record_schema FROM import_process_version WHERE import_process_id = $1 AND version = 2',
        [importProcessId],
      );
      const level = { type: 'string', enum: ['Fellow', 'Senior'], maxLength: 9 };
      expect(rows[0].record_schema).toEqual({
        type: 'object',
        properties: { Level: level },
        required: ['Level'],
      });
      const page = textOf(await open(path));
      expect(page).toContain('In file order: no → yes');
      expect(page).toContain('If no match is found: create → reject');
      expect(page).toContain('Columns added: Level');
      expect(page).toContain('First version');
      expect(await open(`${path}?as=json`)).toContain('name="recordSchema"');
    });

    describe('tries a row', () => {
      const tried = async (fields: Record<string, string>) => {
        const { status, html } = await send(`/file-types/${importProcessId}/try`, fields);
        const [, result = ''] =
          /<section class="card" id="try">(.*?)<label class="form-label" for="row"/s.exec(html)!;
        return [status, textOf(result).trim()];
      };

      /** Break it: in `firstRecord`, never read without a header; in `RowSubmissionService.try`, leave out `preview`. */
      it('that was pasted with its header, without it, or as JSON, and stores nothing', async () => {
        const before = (await sql.query('SELECT count(*) FROM import_queue_batch')).rows;
        const header = 'unique id\tFirst Name\tlast name\tLevel\tDate of birth';
        expect(await tried({ row: `${header}\nT-1\tAda\tByron\tfellow \t31.12.1980` })).toEqual([
          200,
          'Try a row Create UniqueId T-1 First Name Ada Last Name Byron Level Fellow Date Of Birth 1980-12-31',
        ]);
        expect((await tried({ row: 'T-1\t\tAda' }))[1]).toMatch(/^Try a row (Create|Invalid) UniqueId T-1/);
        expect((await tried({ row: '{":UniqueId":"T-1","First Name":"Ada","Level":"Nope"}' }))[1]).toMatch(
          /Invalid .*&quot;Level&quot; must be one of/,
        );
        expect((await tried({ 'column::UniqueId': 'T-1', 'column:First Name': 'Ada' }))[1]).toContain(
          'UniqueId T-1',
        );
        expect((await tried({ row: '{"First' }))[1]).toContain('The row is not JSON');
        expect((await sql.query('SELECT count(*) FROM import_queue_batch')).rows).toEqual(before);
      });
    });

    /** Break it: in `formOf`, leave out `OTHER`. */
    it('shows a target that is not one of the offered actions', async () => {
      const target = { kind: 'workflow', workflow: 'member-import', step: 'Nothing' };
      await sql.query('UPDATE import_process_version SET target = $2 WHERE import_process_id = $1', [
        importProcessId,
        JSON.stringify(target),
      ]);
      expect(await open(`/file-types/${importProcessId}`)).toContain('<option value="other" selected>');
    });

    /** Break it: in `columnsIn`, keep columns whose choice is empty; in `constantsIn`, keep empty constants. */
    it('shows saved mappings with their author, edits and removes them', async () => {
      await sql.query(
        `INSERT INTO saved_mapping (import_process_id, name, columns, constants, saved_by) VALUES
           ($1, 'HR export', '{"E-mail":{"field":":Email"},"Rank":{"field":"Level","values":{"F":"Fellow"}},"Remark":{"field":null}}',
            '{"First Name":"Ann"}', 'api-key:1'),
           ($1, 'Payroll', '{"Mail":{"field":":Email"}}', '{}', 'api-key:1')`,
        [importProcessId],
      );
      const path = `/file-types/${importProcessId}`;
      const list = textOf(await open(path));
      expect(list).toContain('E-mail → Email, Rank → Level');
      expect(list).toContain('Not imported: Remark');
      expect(list).toContain('Same in every row: First Name = Ann');

      const edit = `${path}/mapping?name=HR%20export`;
      const html = await open(edit);
      expect(html).toMatch(/<textarea[^>]* name="values:2"[^>]*>F &#x3D; Fellow<\/textarea>/);
      const form = {
        ...{ version: '1', name: 'HR', 'column:1': ':Email', 'case:1': 'lower', 'column:2': 'Level' },
        ...{ 'values:2': 'F = Fellow\nA\tAssociate', 'default:2': 'Fellow', 'column:3': '' },
        ...{ 'constant:First Name': '', newConstant: 'Hours', newConstantValue: '3' },
      };
      const refused = await send(edit, { ...form, name: '{' });
      expect(refused.status).toBe(400);
      expect(refused.html).toContain('must not begin with {');
      const { status, location } = await send(edit, form);
      expect([status, location]).toEqual([303, `${path}#mappings`]);
      const { rows } = await sql.query(
        `SELECT name, version, columns, constants FROM saved_mapping WHERE import_process_id = $1 ORDER BY name`,
        [importProcessId],
      );
      expect(rows).toMatchObject([
        {
          ...{ name: 'HR', version: 2, constants: { Hours: '3' } },
          columns: {
            'E-mail': { field: ':Email', case: 'lower' },
            Rank: { field: 'Level', values: { F: 'Fellow', A: 'Associate' }, default: 'Fellow' },
          },
        },
        { name: 'Payroll' },
      ]);
      expect(Object.keys(rows[0].columns)).toEqual(['E-mail', 'Rank']);

      const removed = await send(`${path}/mapping/remove`, { name: 'HR' });
      expect([removed.status, removed.location]).toEqual([303, `${path}#mappings`]);
      const after = await open(path);
      expect(after).not.toContain('Remove the mapping HR');
      expect(after).toContain('Remove the mapping Payroll');
    });
  });

  describe('a workflow', () => {
    /** Break it: in `savedAnswer`, leave out the version. */
    it('is saved as a version that the page names', async () => {
      const html = await open('/workflows/new?as=json');
      const [, source = ''] = /<textarea[^>]*>(.*?)<\/textarea>/s.exec(html)!;
      const json = source.replaceAll('&quot;', '"').replaceAll('&#x3D;', '=');
      const { status, location } = await send('/workflows', { source: json });
      expect([status, location]).toEqual([303, '/workflows/my-workflow?saved=1']);
      expect(textOf(await open(location ?? ''))).toContain('Saved as version 1.');
    });
  });

  describe('an upload', () => {
    /** The columns of the page, each with what it says about "Required". */
    const required = async (id: number) => {
      const html = await open(`/imports/new/${id}`);
      const rows = [
        ...html.matchAll(/<tr><td class="wrap"><strong>([^<]*)<\/strong><\/td><td[^>]*>([^<]*)</g),
      ];
      return Object.fromEntries(rows.map(([, name, stated]) => [name, stated]));
    };

    /** Break it: in `rowColumns`, require no identifier; in `describedColumns`, leave `oneIsNeeded` at false. */
    it('says which identifier a row needs', async () => {
      const only = { ...MEMBER_WORKFLOW, name: 'by-id', identifiers: [{ name: ':UniqueId', unique: true }] };
      expect(await required(await client.setUp(only))).toMatchObject({
        UniqueId: 'yes',
        'First Name': 'yes',
      });
      const anyRow = await client.setUp(only, {}, { allowWithoutIdentifier: true });
      expect(await required(anyRow)).toMatchObject({ UniqueId: 'no' });
      const either = 'at least one of UniqueId, Email';
      expect(await required(importProcessId)).toMatchObject({ UniqueId: either, Email: either, Hours: 'no' });
    });

    /** Break it: in `NewImportPage.upload`, give back nothing that was entered; in `shownErrors`, keep all errors. */
    it('gives back what was entered when the file is refused, and reports each mistake once', async () => {
      const form = new FormData();
      form.set('sendSuccessEmailTo', 'ann@example.org');
      form.set('sendFailureEmailTo', 'nobody');
      form.set('encoding', 'windows-1252');
      form.set('file', new Blob(['x']), 'members.csv');
      const response = await fetch(`${app.url}/imports/new/${importProcessId}`, {
        method: 'POST',
        headers: { cookie, origin: app.url },
        body: form,
      });
      const html = await response.text();
      expect(response.status).toBe(400);
      expect(html).toContain('value="ann@example.org"');
      expect(html).toContain('<option value="windows-1252" selected>');
      expect(textOf(/role="alert">(.*?)<form/s.exec(html)![1]!).match(/sendFailureEmailTo/g)).toHaveLength(1);
      expect(html).toContain('id="error-sendFailureEmailTo"');
    });
  });

  describe('one row', () => {
    /** Break it: in `OneRowPage.submit`, throw every error. */
    it('keeps what was entered when the file type was disabled meanwhile, and reports it', async () => {
      const path = `/imports/new/${importProcessId}/one`;
      await sql.query("UPDATE import_process SET status = 'disabled' WHERE import_process_id = $1", [
        importProcessId,
      ]);
      expect(textOf(await open(path))).toContain('This file type is disabled');
      const row = { 'column::UniqueId': 'M-1', 'column:First Name': 'Ada', 'column:Level': 'Fellow' };
      const { status, html } = await send(path, row);
      expect(status).toBe(409);
      expect(html).toContain('value="Ada"');
      expect(textOf(html)).toContain('is disabled and takes no new batches');
    });
  });

  describe('mails', () => {
    /** Break it: in `MailPage.resend`, lead to `/mail`; in `MailPage.render`, let `filtered` be false. */
    it('leads back to the mails that were shown, and distinguishes a filter from an empty list', async () => {
      expect(textOf(await open('/mail?of=imports'))).toContain('An import sends mail when it ends');
      expect(textOf(await open('/mail?of=imports&status=failed'))).toContain('No mail matches');
      const { body } = await client.createBatch('{}\n', { importProcessId });
      const { rows } = await sql.query(
        `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status, attempts)
         VALUES ('batch_mail', $1, 'failure', 'ann@example.org', 'failed', 1) RETURNING outbox_id AS id`,
        [body.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
      );
      const html = await open('/mail?of=imports&status=failed');
      expect(textOf(html)).toContain('1 attempt.');
      const path = `/mail/${rows[0].id}/resend?of=imports&status=failed`;
      expect(html.replaceAll('&#x3D;', '=').replaceAll('&amp;', '&')).toContain(`action="${path}"`);
      const { status, location } = await send(path, {});
      expect([status, location]).toEqual([303, '/mail?of=imports&status=failed']);
    });

    /** Break it: in `MailPagesController`, read the id with ParseIntPipe. */
    it.each(['99999999999999999999', 'abc', '999999'])('are not found under the number %s', async (id) => {
      expect((await send(`/mail/${id}/resend`, {})).status).toBe(404);
    });
  });
});
