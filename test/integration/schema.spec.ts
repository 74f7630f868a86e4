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
