import { Client } from 'pg';
import { SchemaFit } from '../../src/platform/database/installation.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('a process that does not fit the schema', () => {
  let app: TestApp;
  let sql: Client;
  let client: ImportClient;

  beforeAll(async () => {
    app = await startTestApp();
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    client = new ImportClient(app.url);
  });

  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const check = () => app.app.get(SchemaFit).check();
  const ready = async () => {
    const response = await fetch(`${app.url}/health/ready`);
    return { status: response.status, body: (await response.json()) as any };
  };

  /** Break it: in `WorkPermit.permitted`, return true. */
  it.each([
    {
      name: 'because a migration is missing',
      spoil: `UPDATE schema_migration SET name = 'Other' || name WHERE name LIKE 'AddRetention%'`,
      restore: `UPDATE schema_migration SET name = substr(name, 6) WHERE name LIKE 'OtherAddRetention%'`,
      reason: /^not applied: AddRetention/,
    },
    {
      name: 'because the schema is for later versions',
      spoil: `UPDATE schema_compatibility SET compatible_from = '999.0.0'`,
      restore: `UPDATE schema_compatibility SET compatible_from = '0.1.0'`,
      reason: /^the schema is for version 999\.0\.0 and later/,
    },
  ])('takes no chunk, and says so, $name', async ({ spoil, restore, reason }) => {
    const importProcessId = await client.setUp();
    await sql.query(spoil);
    expect(await check()).toMatch(reason);
    expect(await ready()).toMatchObject({
      status: 503,
      body: { checks: { migrations: { status: 'down' } } },
    });
    const { body } = await client.createBatch(jsonl([member(1)]), { importProcessId });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    // Several passes of the reconciler, which would have started it.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await client.batch(id)).status).toBe('queued');
    await sql.query(restore);
    expect(await check()).toBeNull();
    expect((await client.ended(id)).status).toBe('completed');
    expect((await ready()).status).toBe(200);
  });
});
