import { Client } from 'pg';
import { type Answer, ImportClient, jsonl } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

const ROUTE = '/API/WorkflowImportQueue/Connections';

describe('imports into the tables of another database', () => {
  let other: TestDatabase;
  let there: Client;
  let app: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    other = await createEmptyDatabase();
    there = new Client({ connectionString: other.url });
    await there.connect();
    await there.query(`
      CREATE SCHEMA crm;
      CREATE TYPE crm.mood AS ENUM ('happy', 'sad');
      CREATE TABLE crm.contact (
        id serial PRIMARY KEY, email text NOT NULL UNIQUE, first_name varchar(20) NOT NULL, mood crm.mood,
        badge integer UNIQUE, area polygon);
      CREATE TABLE public.hidden (id integer)`);
    app = await startTestApp({ TARGET_CRM_URL: other.url, TARGET_CRM_SCHEMAS: 'crm', CHUNK_SIZE: '50' });
    client = new ImportClient(app.url);
  });
  afterAll(async () => {
    await app?.close();
    await there?.end();
    await other?.drop();
  });
  beforeEach(() => there.query('TRUNCATE crm.contact'));

  const saved = (name: string, target: object): Promise<Answer> =>
    client.post('/API/WorkflowImportQueue/ImportProcesses', {
      name,
      target: { kind: 'table', connection: 'crm', schema: 'crm', table: 'contact', ...target },
    });
  const COLUMNS = { 'E-mail': 'email', 'First name': 'first_name', Mood: 'mood', Badge: 'badge' };
  const count = async () =>
    (await there.query<{ count: number }>('SELECT count(*)::integer AS count FROM crm.contact')).rows[0]
      ?.count;

  it('are offered as connections, tables and columns', async () => {
    expect((await client.get(ROUTE)).body).toEqual({ items: [{ name: 'crm', schemas: ['crm'] }] });
    expect((await client.get(`${ROUTE}/crm/Tables`)).body.items).toContainEqual({
      schema: 'crm',
      table: 'contact',
    });
    const { body } = await client.get(`${ROUTE}/crm/Tables/crm/contact`);
    expect(body).toMatchObject({
      proposedKey: ['email'],
      keys: [{ columns: ['id'], isPrimary: true }, { columns: ['badge'] }, { columns: ['email'] }],
    });
    expect(body.columns).toContainEqual({
      name: 'mood',
      type: 'crm.mood',
      required: false,
      writable: true,
      options: ['happy', 'sad'],
    });
    expect(body.columns).toContainEqual(expect.objectContaining({ name: 'area', writable: false }));
    expect((await client.get(`${ROUTE}/crm/Tables/public/hidden`)).body).toMatchObject({
      code: 'table_not_found',
    });
    expect((await client.get(`${ROUTE}/erp/Tables`)).body).toMatchObject({
      status: 404,
      code: 'connection_not_found',
    });
  });

  it('report what happened to each record, and a refused one names its constraint and field', async () => {
    const process = await saved('Contacts', { key: ['email'], columns: COLUMNS });
    expect(process.status).toBe(201);
    const rows = Array.from({ length: 120 }, (_, n) => ({
      'E-mail': `p${n}@example.org`,
      'First name': `P ${n}`,
      Badge: n,
    }));
    rows.push({ 'E-mail': 'late@example.org', 'First name': 'Late', Badge: 7 });
    rows.push({ 'E-mail': 'p1@example.org', 'First name': 'Changed', Badge: 1 });
    rows.push({ 'E-mail': 'long@example.org', 'First name': 'x'.repeat(21), Badge: 900 });
    const sent = await client.createBatch(jsonl(rows), { importProcessId: process.body.id });
    const batch = await client.ended(sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(batch).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { succeeded: 121, failed: 1, invalid: 1 },
      operations: { created: 120, updated: 1, unchanged: 0 },
    });
    const records = await client.recordsOf(sent);
    expect(records[120]).toMatchObject({
      status: 'failed',
      error: {
        code: 'unique_violation',
        pointer: '/Badge',
        message: expect.stringContaining('contact_badge_key'),
      },
    });
    expect(records[122]).toMatchObject({
      status: 'invalid',
      error: { code: 'too_long', pointer: '/First name' },
    });
    expect(await count()).toBe(120);
  });

  it('preview an uploaded file with the values before and after', async () => {
    const process = await saved('Files', { key: ['email'], columns: COLUMNS });
    await there.query(`INSERT INTO crm.contact (email, first_name) VALUES ('ada@example.org', 'Ada')`);
    const sent = await client.upload(
      'e_mail;FIRST NAME;mood\nada@example.org;Augusta;HAPPY\nbob@example.org;Bob;\n',
      {
        importProcessId: process.body.id,
      },
    );
    const id = sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const { body } = await client.get(`/API/WorkflowImportQueue/Batches/${id}/Preview`);
    expect(body.items).toMatchObject([
      {
        operation: 'updated',
        changes: [
          { field: 'First name', before: 'Ada', after: 'Augusta' },
          { field: 'Mood', before: null, after: 'happy' },
        ],
      },
      { operation: 'created' },
    ]);
    expect(await count()).toBe(1);
  });

  it('are refused once the table no longer fits, and the answer names the columns that differ', async () => {
    await there.query('CREATE TABLE crm.changing (id integer PRIMARY KEY, name text)');
    const process = await saved('Changing', {
      table: 'changing',
      key: ['id'],
      columns: { Id: 'id', Name: 'name' },
    });
    const first = await client.createBatch('{"Id":1,"Name":"a"}\n', { importProcessId: process.body.id });
    expect(await client.ended(first.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
      status: 'completed',
    });
    await there.query(
      'TRUNCATE crm.changing; ALTER TABLE crm.changing DROP COLUMN name, ADD COLUMN code text NOT NULL',
    );
    const second = await client.createBatch('{"Id":2,"Name":"b"}\n', { importProcessId: process.body.id });
    expect(second).toMatchObject({ status: 409, body: { code: 'import_process_unusable' } });
    const messages = (second.body.errors as { message: string }[]).map(({ message }) => message).join('\n');
    expect(messages).toContain('no "name"');
    expect(messages).toContain('the column "code" is new: text NOT NULL');
    expect(messages).toContain('the column "name" no longer exists');
  });

  it('are set up on a page, which proposes the key and the names', async () => {
    const cookie = await signIn(app);
    const fetched = async (path: string, init: RequestInit = {}) =>
      fetch(app.url + path, {
        redirect: 'manual',
        ...init,
        headers: { cookie, origin: app.url, ...init.headers },
      });
    const table = JSON.stringify(['crm', 'crm', 'contact']);
    const page = await (await fetched(`/file-types/from-table?table=${encodeURIComponent(table)}`)).text();
    expect(page).toMatch(/<option value="\[&quot;email&quot;\]" selected>/);
    expect(page).toMatch(/name="field:first_name" value="first_name"/);
    expect(page).toMatch(/name="field:id" value=""/);
    const send = (form: Record<string, string>) =>
      fetched('/file-types/from-table', {
        method: 'POST',
        body: new URLSearchParams({
          table,
          name: 'By page',
          key: '["email"]',
          onMatch: 'update',
          onNoMatch: 'create',
          ...form,
        }),
      });
    const refused = await send({ 'field:email': 'E-mail' });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('must fill the column &quot;first_name&quot;');
    const made = await send({ 'field:email': 'E-mail', 'field:first_name': 'First name' });
    expect(made.status).toBe(303);
    const id = Number(made.headers.get('location')?.split('/').at(-1));
    expect((await client.get(`/API/WorkflowImportQueue/ImportProcesses/${id}`)).body.target).toEqual({
      kind: 'table',
      connection: 'crm',
      schema: 'crm',
      table: 'contact',
      key: ['email'],
      columns: { 'E-mail': 'email', 'First name': 'first_name' },
      onMatch: 'update',
      onNoMatch: 'create',
    });
    /** Break it: in `targetOf` of the page, leave out onMatch, onNoMatch or log. */
    const choices = { onMatch: 'skip', onNoMatch: 'reject', log: 'yes' };
    const chosen = await send({ 'field:email': 'E-mail', name: 'Only known', ...choices });
    expect(chosen.status).toBe(303);
    const chosenId = Number(chosen.headers.get('location')?.split('/').at(-1));
    const { body } = await client.get(`/API/WorkflowImportQueue/ImportProcesses/${chosenId}`);
    expect(body.target).toMatchObject({ onMatch: 'skip', onNoMatch: 'reject', log: true });
    const edited = await (await fetched(`/file-types/from-table?edit=${chosenId}`)).text();
    expect(edited).toMatch(/<option value="skip" selected>/);
    expect(edited).toMatch(/<option value="reject" selected>/);
    expect(edited).toMatch(/name="log" value="yes" checked/);
  });
});
