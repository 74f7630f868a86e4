import { Client } from 'pg';
import { NOTES } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { NO_PERSONAL_DATA, PERSONAL_DATA, PERSONAL_TABLES } from '../../src/people/personal-tables.js';
import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Break it: add a table by a migration, or leave one out of the inventory, of erasure or of `deleteStep`. */
describe('the inventory of personal data', () => {
  let app: TestApp;
  let sql: Client;

  beforeAll(async () => {
    app = await startTestApp();
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  /** Partitions belong to their table. */
  const tables = async () => {
    const { rows } = await sql.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
    );
    return rows.map(({ name }) => name).sort();
  };

  it('names every table of the database', async () => {
    expect(await tables()).toEqual([...Object.keys(PERSONAL_DATA), ...NO_PERSONAL_DATA].sort());
  });

  it('agrees with erasure', () => {
    const byValue = Object.keys(PERSONAL_DATA).filter(
      (table) => PERSONAL_DATA[table]!.erasure === 'by value',
    );
    const erased = PERSONAL_TABLES.map(({ table }) => table);
    expect(erased).toEqual(expect.arrayContaining(byValue));
    expect(Object.keys(PERSONAL_DATA)).toEqual(expect.arrayContaining(erased));
  });

  it('agrees with doctor', () => {
    for (const [table, { doctor }] of Object.entries(PERSONAL_DATA)) {
      if (doctor === null) continue;
      const checks = [...INVARIANTS, ...NOTES].find(({ code }) => code === doctor);
      const read = table.replace(/^import_queue_(line|outcome)$/, 'import_queue_(record|$1)');
      expect([table, checks?.sql]).toEqual([table, expect.stringMatching(new RegExp(`\\b${read}\\b`))]);
    }
  });

  it('agrees with deletion and retention', async () => {
    const api = new ImportClient(app.url);
    const importProcessId = await api.setUp();
    const answer = await api.upload(':Email,First Name\na@example.org,Ada\nb@example.org,\n', {
      importProcessId,
      sendFailureEmailTo: 'owner@example.org',
    });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await api.act(answer, 'Confirm');
    await api.ended(id);
    await sql.query(
      `INSERT INTO fix_draft (workflow_import_queue_batch_id, created_by) VALUES ($1, 'user:1')`,
      [id],
    );
    await sql.query(
      `INSERT INTO fix_draft_cell (workflow_import_queue_batch_id, created_by, line_number, field, value)
       VALUES ($1, 'user:1', 2, 'First Name', 'Bea')`,
      [id],
    );
    const holding = async () => {
      const found: string[] = [];
      for (const [table, { batch }] of Object.entries(PERSONAL_DATA)) {
        if (batch !== 'deleted') continue;
        const { rows } = await sql.query(
          `SELECT FROM ${table} WHERE workflow_import_queue_batch_id = $1 LIMIT 1`,
          [id],
        );
        if (rows.length > 0) found.push(table);
      }
      return found;
    };
    const deleted = Object.keys(PERSONAL_DATA).filter((table) => PERSONAL_DATA[table]!.batch === 'deleted');
    expect(await holding()).toEqual(deleted);
    await sql.query(
      `UPDATE outbox SET status = 'not_sent_no_smtp' WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    await api.act(answer, 'Delete');
    expect(await holding()).toEqual([]);
  });
});
