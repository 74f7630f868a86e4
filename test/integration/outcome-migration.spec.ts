import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { selectRecords } from '../../src/batches/record-pages.sql.js';
import {
  cancelRecords,
  selectPendingRecords,
  writeOutcomes,
  type TargetOutcome,
} from '../../src/batches/records.sql.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { RECORD_STATUSES } from '../../src/records/record-status.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Records of every status, as the release before left them; the batch is half done. */
const BEFORE = `
  INSERT INTO import_queue_record (workflow_import_queue_batch_id, line_number, attempts, status, operation, reference,
                                   error_code, error_message, error_pointer, errors, origin_line, row_number, payload)
  VALUES (7, 1, 1, 'succeeded', 'created', '11', NULL, NULL, NULL, NULL, NULL, NULL, '{"a":1}'),
         (7, 2, 1, 'succeeded', 'unchanged', '12', NULL, NULL, NULL, NULL, 4, NULL, '{"a":2}'),
         (7, 3, 1, 'failed', 'rejected', NULL, 'no_match', 'no member', '/:Id', NULL, NULL, NULL, '{"a":3}'),
         (7, 4, 0, 'invalid', NULL, NULL, 'required', 'is missing', '/b',
          '[{"code":"required","message":"is missing","pointer":"/b"},{"code":"x","message":"y","pointer":null}]',
          NULL, 9, '{"a":4}'),
         (7, 5, 1, 'skipped', NULL, '13', NULL, NULL, NULL, NULL, NULL, NULL, '{"a":5}'),
         (7, 6, 0, 'canceled', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"a":6}'),
         (7, 7, 0, 'pending', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"a":7}'),
         (7, 8, 0, 'pending', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"a":8}'),
         (7, 9, 0, 'pending', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"a":9}')`;

describe('the migration to appended outcomes', () => {
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
    await source.destroy();
    await database.drop();
  });

  const revert = async () => {
    const isApplied = async () =>
      (
        await source.query<{ found: boolean }[]>(
          `SELECT to_regclass('import_queue_outcome') IS NOT NULL AS found`,
        )
      )[0]!.found;
    while (await isApplied()) await source.undoLastMigration();
  };
  const records = () =>
    source.query<Record<string, unknown>[]>(
      `SELECT line_number, attempts, status, operation, reference, error_code, error_message, error_pointer, errors,
              origin_line, row_number, payload
         FROM import_queue_record WHERE workflow_import_queue_batch_id = 7 ORDER BY line_number`,
    );

  /** Break it: in the view, leave out `ELSE l.status`; in `DOWN`, leave out the UPDATE. */
  it('keeps every record as it is, lets the rest be processed, and goes back with all outcomes', async () => {
    const before = await records();
    await source.runMigrations();
    expect(await records()).toEqual(before);

    const service = new DatabaseService(source);
    const pending = await selectPendingRecords(service, 7, 1, 9);
    expect(pending.map(({ line }) => line)).toEqual([7, 8, 9]);
    await service.transaction(async (transaction) => {
      const outcomes: TargetOutcome[] = [
        { line: 7, status: 'succeeded', operation: 'updated', reference: '14' },
        {
          line: 8,
          status: 'failed',
          operation: 'rejected',
          reference: null,
          error: { code: 'a', message: 'tab\there', pointer: '/a' },
          errors: [
            { code: 'a', message: 'tab\there', pointer: '/a' },
            { code: 'b', message: 'c' },
          ],
        },
      ];
      await writeOutcomes(transaction, 7, outcomes, () => Promise.resolve());
    });
    await service.transaction((transaction) => cancelRecords(transaction, 7, 1, 9));
    const after = await records();
    expect(after.slice(0, 6)).toEqual(before.slice(0, 6));
    expect(after.slice(6)).toMatchObject([
      { attempts: 1, status: 'succeeded', operation: 'updated', reference: '14', error_code: null },
      {
        attempts: 1,
        status: 'failed',
        operation: 'rejected',
        error_code: 'a',
        error_message: 'tab\there',
        errors: [
          { code: 'a', message: 'tab\there', pointer: '/a' },
          { code: 'b', message: 'c', pointer: null },
        ],
      },
      { attempts: 0, status: 'canceled', operation: null },
    ]);
    const { rows } = await selectRecords(service, {
      batchId: 7,
      ranges: [{ first: 1, last: 9 }],
      statuses: RECORD_STATUSES,
      after: 0,
      limit: 10,
    });
    expect(rows.map(({ status, operation, row, errorCode }) => [status, operation, row, errorCode])).toEqual(
      after.map((record) => [record.status, record.operation, record.row_number, record.error_code]),
    );

    await revert();
    expect(await records()).toEqual(after);
  });

  /** Break it: in `writeOutcomes`, COPY into a table without the primary key. */
  it('admits one outcome per record', async () => {
    await source.runMigrations();
    const service = new DatabaseService(source);
    const outcome = { line: 1, status: 'skipped', operation: null, reference: null } as const;
    const write = () =>
      service.transaction((transaction) =>
        writeOutcomes(transaction, 8, [outcome], () => transaction.query('SELECT')),
      );
    await write();
    await expect(write()).rejects.toThrow('a record of batch 8 already has an outcome');
  });

  /** Break it: in the `down` of the partitions, leave out `INSERT INTO`. */
  it('is followed by partitions, which hold the same records, and whose removal keeps those of all of them', async () => {
    await source.runMigrations();
    const all = () =>
      source.query<Record<string, unknown>[]>(
        'SELECT * FROM import_queue_record ORDER BY workflow_import_queue_batch_id, line_number',
      );
    const undoPartitions = async () => {
      const isThere = async () =>
        (await source.query<unknown[]>("SELECT FROM schema_migration WHERE name LIKE 'PartitionRecords%'"))
          .length > 0;
      while (await isThere()) await source.undoLastMigration();
    };
    await source.query('SELECT import_queue_partition_of(5500)');
    await source.query(
      `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, payload)
       SELECT id, line, '{}' FROM unnest('{7,1500,5500}'::int[]) AS id, generate_series(21, 23) AS line`,
    );
    await source.query(
      `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome, error_code)
       VALUES (7, 21, 'c', NULL), (5500, 22, 'f', 'a')`,
    );
    const before = await all();
    const partitioned = await source.query<{ part: string; lines: number }[]>(
      `SELECT tableoid::regclass::text AS part, count(*)::int AS lines FROM import_queue_line
        WHERE line_number > 20 GROUP BY 1 ORDER BY 1`,
    );
    expect(partitioned).toEqual([
      { part: 'import_queue_line_p0', lines: 3 },
      { part: 'import_queue_line_p1000', lines: 3 },
      { part: 'import_queue_line_p5000', lines: 3 },
    ]);
    await undoPartitions();
    expect(await all()).toEqual(before);
    await source.runMigrations();
    expect(await all()).toEqual(before);

    // The first partition may be gone.
    await source.query('UPDATE import_queue_partition SET dropping_at = now() WHERE first_batch_id = 0');
    await source.query('SELECT import_queue_drop_partition(0)');
    await undoPartitions();
    expect(await all()).toEqual([]);
    await source.runMigrations();
    const indexes = await source.query<{ table: string; indexes: number }[]>(
      `SELECT tablename AS table, count(*)::int AS indexes FROM pg_indexes
        WHERE tablename ~ '^import_queue_(line|outcome|preview)$' GROUP BY 1 ORDER BY 1`,
    );
    expect(indexes).toEqual([
      { table: 'import_queue_line', indexes: 2 },
      { table: 'import_queue_outcome', indexes: 2 },
      { table: 'import_queue_preview', indexes: 1 },
    ]);
  });
});
