import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { MIGRATIONS } from '../../src/app/migrations.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('the schema', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 4, migrateOnStart: false }),
    ).initialize();
  });

  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  it('matches the entities in every table and column', async () => {
    const changes = await source.driver.createSchemaBuilder().log();
    const columns = changes.upQueries
      .map(({ query }) => query)
      .filter((query) => /(CREATE TABLE|COLUMN)/.test(query));
    expect(columns).toEqual([]);
  });

  /** Break it: leave a table out of `GUARDED`, or do not compare the source of the setting. */
  it('refuses what processes of 0.1.0 write, and nothing else', async () => {
    const idle = { idle_in_transaction_session_timeout: 60_000 };
    const writes = async (session: { application_name: string }, set = 'SELECT 1') => {
      const client = new Client({ connectionString: database.url, ...session });
      await client.connect();
      await client.query(set);
      const refused: string[] = [];
      for (const table of GUARDED) {
        await client.query(`DELETE FROM ${table} WHERE false`).catch((error: { code: string }) => {
          expect(error.code).toBe('57P03');
          refused.push(table);
        });
      }
      await client.end();
      return refused;
    };
    const program = { application_name: 'workflow-import-queue' };
    expect(await writes({ ...program, ...idle })).toEqual(GUARDED);
    expect(await writes({ application_name: 'psql', ...idle })).toEqual([]);
    expect(await writes(program)).toEqual([]);
    expect(await writes(program, 'SET idle_in_transaction_session_timeout = 60000')).toEqual([]);
    expect(await writes({ ...program, ...idle }, `SET wiq.checks_schema = 'on'`)).toEqual([]);
  });

  it('can be reverted and migrated again', async () => {
    for (let left = MIGRATIONS.length; left > 0; left -= 1) await source.undoLastMigration();
    const { count } = (await source
      .query(
        `SELECT count(*)::int AS count FROM information_schema.tables WHERE table_schema = 'public' AND table_name LIKE ANY ('{import%,upload%,behavior%,app_user,user_session,audit_log}')`,
      )
      .then((rows: { count: number }[]) => rows[0]))!;
    expect(count).toBe(0);
    await expect(source.runMigrations()).resolves.toHaveLength(MIGRATIONS.length);
  });
});

/** The last two are views of `outbox`, by which 0.1.0 would take mails and webhooks. */
const GUARDED = [
  'import_queue_batch',
  'import_queue_chunk',
  'workflow_instance',
  'import_process_version',
  'workflow_definition',
  'notification',
  'behavior_outbox',
];
