import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { eventually } from '../support/eventually.js';
import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn, storeUser, submit } from '../support/sign-in.js';
import { insertBatch } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const WORKFLOW = grantRole({
  grant: {
    required: ['First Name'],
    behaviors: [
      {
        kind: 'sendEmail',
        to: ':Email',
        subject: 'Hello {{First Name}}',
        template: 'Dear {{First Name}} ({{:Email}})',
      },
    ],
  },
});

describe('erasing a person', () => {
  let app: TestApp;
  let api: ImportClient;
  let sql: Client;
  let importProcessId: number;
  let people = 100;

  beforeAll(async () => {
    app = await startTestApp();
    api = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    importProcessId = await api.setUp(WORKFLOW);
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const erase = async (value: string, more: object = {}) =>
    (await api.post('/API/People/Erase', { identifier: { name: ':Email', value }, mode: 'erase', ...more }))
      .body;
  const search = async (value: string) =>
    (await api.get(`/API/People?${new URLSearchParams({ identifier: `:Email:${value}` })}`)).body;
  const countsOf = (report: any) =>
    Object.fromEntries(report.tables.map(({ table, found }: any) => [table, found]));
  /** The whole database as text, except the audit log's own note of an address. */
  const holding = async (text: string) => {
    const { rows: tables } = await sql.query(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { rows } = await sql.query(
        `SELECT count(*)::int AS count FROM ${name} t WHERE t::text ILIKE $1`,
        [`%${text}%`],
      );
      if (rows[0].count > 0) found.push(name);
    }
    return found.sort();
  };
  /** A person who was imported, changed, written to, and named by a failed row, a preview, a mail and a failed sign-in. */
  const everywhere = async () => {
    const n = (people += 1);
    const email = `person${n}@example.org`;
    const send = async (rows: object[]) => {
      const { body } = await api.createBatch(jsonl(rows), {
        importProcessId,
        sendFailureEmailTo: email,
        fileName: `members of ${email}.jsonl`,
      });
      return api.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    };
    const batch = await send([
      member(n),
      member(n + 10_000),
      member(n, { ':UniqueId': `Z-${n}`, 'First Name': '' }),
    ]);
    await send([member(n, { Level: 'Associate' })]);
    const upload = await api.upload(`:UniqueId,:Email,First Name\nM-${n},${email},Ann\nM-1,${email},Ann\n`, {
      importProcessId,
    });
    await api.act(upload, 'Confirm');
    await api.ended(upload.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    await sql.query(
      `INSERT INTO saved_mapping (import_process_id, name, columns, constants, saved_by) VALUES
         ($1, $2, '{}', '{}', 'user:1'), ($1, $3, $4, $5, 'user:1')`,
      [
        ...[importProcessId, `list of ${email}`, `other ${n}`],
        JSON.stringify({ Owner: { field: ':Email', values: { me: email }, default: email } }),
        JSON.stringify({ ':Email': email }),
      ],
    );
    await submit(app, '/login', { email, password: 'not the password at all' });
    await eventually(async () => {
      const { rows } = await sql.query(`SELECT FROM outbox WHERE status IN ('pending', 'sending')`);
      return rows.length === 0;
    }, 'the mails to be written');
    return { n, email, batch };
  };
  const violations = async () =>
    (await examine(sql, INVARIANTS)).map(({ invariant, rows }) => ({ code: invariant.code, rows }));

  /** Break it: in `PERSONAL_TABLES`, leave a table out. */
  it('finds the person in every table, erases, and leaves the others and the counts', async () => {
    const { n, email, batch } = await everywhere();
    const found = await search(`  ${email.toUpperCase()} `);
    expect(found).toMatchObject({
      mode: null,
      dryRun: true,
      complete: false,
      instances: [{ workflow: WORKFLOW.name }],
    });
    expect(Object.keys(countsOf(found)).length).toBeGreaterThanOrEqual(6);
    expect(Object.keys(countsOf(found))).toEqual(
      expect.arrayContaining([
        'import_queue_line',
        'import_queue_batch',
        'outbox',
        'saved_mapping',
        'audit_log',
        'workflow_instance',
        'workflow_identifier',
        'workflow_log',
      ]),
    );
    expect(await erase(email, { dryRun: true })).toMatchObject({ dryRun: true });
    expect(await holding(email)).not.toEqual([]);

    const report = await erase(email);
    expect(report).toMatchObject({ mode: 'erase', dryRun: false, complete: true, openBatches: [], kept: [] });
    expect(report.tables.every((table: any) => table.changed === table.found)).toBe(true);
    expect(await holding(email)).toEqual([]);
    expect(await holding(`M-${n}"`)).toEqual([]);

    const id = batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect((await api.batch(id)).recordCounts).toEqual(batch.recordCounts);
    const { items } = (await api.get(`/API/WorkflowImportQueue/Batches/${id}/Records`)).body;
    expect(items.map(({ line, status }: any) => [line, status])).toEqual([
      [1, 'succeeded'],
      [2, 'succeeded'],
      [3, 'invalid'],
    ]);
    expect(items[1].record).toMatchObject({ ':Email': `person${n + 10_000}@example.org` });
    expect(items[0].record).toEqual({ _erased: true });
    expect(await violations()).toEqual([]);
    expect(await search(email)).toMatchObject({ found: 0, tables: [] });
    expect((await erase(email)).found).toBe(0);
  });

  /** Break it: in `anonymizeInstance`, leave out the identifiers. */
  it('anonymizes: the rows stay, without any value of the person', async () => {
    const { n, email } = await everywhere();
    const { instances } = await search(email);
    const report = await erase(email, { mode: 'anonymize' });
    expect(report).toMatchObject({ mode: 'anonymize', complete: true });
    expect(await holding(email)).toEqual([]);
    expect(await holding(`First ${n}"`)).toEqual([]);
    const { rows } = await sql.query(
      'SELECT attributes FROM workflow_instance WHERE workflow_instance_id = $1',
      [instances[0].id],
    );
    expect(rows[0].attributes).toMatchObject({
      ':Email': expect.stringMatching(/^erased-/),
      'First Name': '[erased]',
    });
    expect(await violations()).toEqual([]);
    expect((await api.get('/API/Audit?action=person_anonymized')).body.items[0].details).toMatchObject({
      identifier: ':Email',
      mode: 'anonymize',
    });
  });

  /** Break it: in `PERSONAL_TABLES`, leave out `isOpen`. */
  it('leaves the rows of batches that have not ended, and says so', async () => {
    const email = 'waiting@example.org';
    const payload = JSON.stringify(member(1, { ':Email': email }));
    const id = await insertBatch(sql, importProcessId, {
      status: 'paused',
      records: [{ line: 1, status: 'pending', payload }],
    });
    const report = await erase(email);
    expect(report).toMatchObject({
      complete: false,
      openBatches: [{ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, rows: 1 }],
      tables: [{ table: 'import_queue_line', found: 1, changed: 0 }],
    });
    expect(await holding(email)).toEqual(['import_queue_line']);
    await api.post(`/API/WorkflowImportQueue/Batches/${id}/Cancel`);
    await api.ended(id);
    expect(await erase(email)).toMatchObject({ complete: true });
    expect(await holding(email)).toEqual([]);
  });

  /** Break it: in `Person`, count every value as distinctive. */
  it('does not mistake a short value in a text for the person', async () => {
    const id = await insertBatch(sql, importProcessId, {
      status: 'completed',
      finishedAt: new Date(),
      records: [
        { line: 1, status: 'succeeded', payload: '{":UniqueId":"7","Notes":"x"}' },
        { line: 2, status: 'succeeded', payload: '{":UniqueId":"8","Notes":"7 days"}' },
        { line: 3, status: 'succeeded', payload: '{":UniqueId":7}' },
        { line: 4, status: 'succeeded', payload: '{":UniqueId":77}' },
      ],
    });
    const body = { identifier: { name: ':UniqueId', value: '7' }, mode: 'erase' };
    await api.post('/API/People/Erase', body);
    const { rows } = await sql.query(
      `SELECT line_number AS line FROM import_queue_record
        WHERE workflow_import_queue_batch_id = $1 AND payload LIKE '%_erased%' ORDER BY 1`,
      [id],
    );
    expect(rows.map(({ line }) => line)).toEqual([1, 3]);
    await sql.query('DELETE FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1', [id]);
    await sql.query('DELETE FROM import_queue_line WHERE workflow_import_queue_batch_id = $1', [id]);
  });

  /** Break it: in `anonymizeAccount`, leave out the condition. */
  it('keeps an enabled user account and says so, and removes a disabled one', async () => {
    const id = await storeUser(app, 'viewer', 'gone@example.org');
    const kept = await erase('gone@example.org');
    expect(kept).toMatchObject({ complete: false, kept: [{ table: 'app_user' }] });
    await sql.query('UPDATE app_user SET disabled_at = now() WHERE user_id = $1', [id]);
    expect(await erase('gone@example.org')).toMatchObject({ complete: true });
    expect(await holding('gone@example.org')).toEqual([]);
  });

  it('refuses what is not an identifier', async () => {
    expect((await api.get('/API/People?identifier=ada')).body.code).toBe('invalid_parameter');
    const { status, body } = await api.post('/API/People/Erase', {
      identifier: { name: ':Email' },
      mode: 'delete',
    });
    expect([status, body.code]).toEqual([400, 'invalid_body']);
  });

  /** Break it: in the view, leave out the form of a button. */
  it('is a page for administrators with search, question and report', async () => {
    const { email } = await everywhere();
    const cookie = await signIn(app);
    expect((await fetch(`${app.url}/people`, { headers: { cookie } })).status).toBe(200);
    expect(
      (await fetch(`${app.url}/people`, { headers: { cookie: await signIn(app, 'operator') } })).status,
    ).toBe(403);
    const page = async (path: string, fields: Record<string, string>) => {
      const response = await submit(app, path, fields, { cookie });
      expect(response.headers.get('cache-control')).toBe('no-store');
      return response.text();
    };
    const found = await page('/people', { identifier: `:Email:${email}` });
    expect(found).toContain('workflow_instance');
    expect(found).toContain(`Erase ${email}?`);
    const erased = await page('/people/erase', { name: ':Email', value: email, mode: 'erase' });
    expect(erased).toContain(`The data of ${email} was erased.`);
    expect(await holding(email)).toEqual([]);
    expect(await page('/people', { identifier: 'ada' })).toContain('identifier must be');
  });
});
