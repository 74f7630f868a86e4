import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Two files were matched, and a column of the first again with the second. */
const BEFORE = `
  INSERT INTO import_process (import_process_id, name, status, current_version) VALUES (7, 'Members', 'active', 1), (8, 'Others', 'active', 1);
  INSERT INTO import_process_column (import_process_id, header, target, mapped_by, mapped_at)
  VALUES (7, 'E-mail', ':Email', 'user:1', '2026-01-01T10:00:00Z'), (7, 'Remark', NULL, 'user:1', '2026-01-01T10:00:00Z'),
         (7, 'Rang', 'Level', 'user:2', '2026-02-01T10:00:00Z'), (8, 'x "y"', ':Id', 'api-key:1', '2026-03-01T10:00:00Z')`;

describe('the migration to saved mappings', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 4, migrateOnStart: false }),
    ).initialize();
    await revert();
    await source.query(BEFORE);
  });
  afterAll(async () => {
    await source?.destroy();
    await database?.drop();
  });

  const exists = async (table: string) => {
    const query = 'SELECT to_regclass($1) IS NOT NULL AS found';
    return (await source.query<{ found: boolean }[]>(query, [table]))[0]!.found;
  };
  const revert = async () => {
    while (await exists('saved_mapping')) await source.undoLastMigration();
  };
  const remembered = () =>
    source.query(
      `SELECT import_process_id, header, target, mapped_by, mapped_at FROM import_process_column ORDER BY 1, header`,
    );

  /** Break it: in `UP`, group by import process only; in `DOWN`, leave out the INSERT. */
  it('keeps what was remembered of each file as a mapping, and goes back', async () => {
    const before = await remembered();
    await source.runMigrations();
    expect(await exists('import_process_column')).toBe(false);
    expect(
      await source.query(
        `SELECT import_process_id::int AS process, name, automatic, columns, reading, constants, saved_by
           FROM saved_mapping ORDER BY 1, name`,
      ),
    ).toEqual(
      [
        {
          ...{ process: 7, name: 'Remembered columns', saved_by: 'user:2' },
          columns: { Rang: { field: 'Level' } },
        },
        {
          ...{ process: 7, name: 'Remembered columns 2', saved_by: 'user:1' },
          columns: { 'E-mail': { field: ':Email' }, Remark: { field: null } },
        },
        {
          ...{ process: 8, name: 'Remembered columns', saved_by: 'api-key:1' },
          columns: { 'x "y"': { field: ':Id' } },
        },
      ].map((mapping) => ({ ...mapping, automatic: true, reading: {}, constants: {} })),
    );
    await revert();
    expect(await remembered()).toEqual(before);
  });
});
