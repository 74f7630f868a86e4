import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions, migrate, revertLastMigration } from '../../src/app/database.js';
import { findRecords, selectLineRanges } from '../../src/batches/record-pages.sql.js';
import {
  selectErrorCauses,
  selectErrorGroups,
  selectInvalidRecords,
} from '../../src/batches/refused-records.sql.js';
import { DatabaseService, type Sql } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const CHUNK = 1_000;
const LINES = 100 * CHUNK;
/** Of each chunk, one line is invalid and another one failed. */
const [INVALID, FAILED] = [500, 700];
/** Of the last failed record. */
const TWO_ERRORS = [
  { code: 'no_match', message: 'no such member', pointer: null },
  { code: 'rare', message: 'only here', pointer: '/b' },
];

/** Stores an ended batch without the row of the batch itself. */
async function store(sql: Sql, batchId: number, lines: number): Promise<void> {
  await sql.query(
    `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line, record_count,
       invalid_count, succeeded_count, failed_count, state)
     SELECT $1, n, (n - 1) * ${CHUNK} + 1, n * ${CHUNK}, ${CHUNK}, 1, ${CHUNK} - 2, 1, 'done'
       FROM generate_series(1, $2::int) AS n`,
    [batchId, lines / CHUNK],
  );
  await sql.query(
    `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, status, error_code, error_message,
       error_pointer, payload)
     SELECT $1, n, CASE WHEN invalid THEN 'invalid' ELSE 'pending' END, CASE WHEN invalid THEN 'required' END,
       CASE WHEN invalid THEN 'line ' || n END, CASE WHEN invalid THEN '/a' END, repeat('x', 200)
       FROM (SELECT n, n % ${CHUNK} = ${INVALID} AS invalid FROM generate_series(1, $2::int) AS n) line`,
    [batchId, lines],
  );
  await sql.query(
    `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome, reference, error_code,
       error_message, errors)
     SELECT $1, n, CASE WHEN failed THEN 'f' ELSE 'c' END, n, CASE WHEN failed THEN 'no_match' END,
       CASE WHEN failed THEN 'no such member' END, CASE WHEN failed AND n > $2 - ${CHUNK} THEN $3::jsonb END
       FROM (SELECT n, n % ${CHUNK} = ${FAILED} AS failed FROM generate_series(1, $2::int) AS n) line
      WHERE n % ${CHUNK} <> ${INVALID}`,
    [batchId, lines, JSON.stringify(TWO_ERRORS)],
  );
}

describe('the refused records of a large batch', () => {
  let database: TestDatabase;
  let source: DataSource;
  let service: DatabaseService;
  let buffers: number;
  /** Counts the pages that each statement touches, and runs it. */
  const measured: Sql = {
    query: async (text, values) => {
      const { rows } = await service.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        values,
      );
      const { Plan: plan } = rows[0]!['QUERY PLAN'][0];
      buffers += plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
      return service.query(text, values);
    },
  };
  const pagesTouchedBy = async (work: (sql: Sql) => Promise<unknown>): Promise<number> => {
    buffers = 0;
    await work(measured);
    return buffers;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 2, migrateOnStart: false }),
    ).initialize();
    service = new DatabaseService(source);
    for (const table of ['import_queue_chunk', 'import_queue_line_p0', 'import_queue_outcome_p0']) {
      await service.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    }
    await service.query(`
      ALTER TABLE import_queue_chunk DROP CONSTRAINT import_queue_chunk_workflow_import_queue_batch_id_fkey`);
    await store(service, 1, LINES);
  }, 60_000);
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  /**
   * Break it: in `WITH_ERROR`, leave out a condition of an error; in `findRecords`, read the ranges of the refused
   * records.
   */
  it.each([
    ['PostgreSQL knows nothing about', 1, ''],
    ['PostgreSQL has analyzed', 1, 'ANALYZE'],
    ['PostgreSQL has not analyzed yet, although it knows others', 2, ''],
  ])('are found without reading the others, in a batch that %s', async (_state, batchId, first) => {
    if (batchId === 2) await store(service, batchId, 2 * LINES);
    if (first !== '') await service.query(first);
    const refused = (2 * batchId * LINES) / CHUNK;

    // One page per record, and few of the indexes; all lines would be 3,400 pages and more.
    expect(await pagesTouchedBy((sql) => selectErrorCauses(sql, batchId))).toBeLessThan(2 * refused + 100);
    expect(await pagesTouchedBy((sql) => selectErrorGroups(sql, batchId))).toBeLessThan(2 * refused + 100);
    expect(await pagesTouchedBy((sql) => selectInvalidRecords(sql, batchId, 1, 20 * CHUNK))).toBeLessThan(
      100,
    );
    for (const search of [
      { statuses: ['invalid'] as const },
      { statuses: ['failed'] as const },
      { statuses: ['invalid', 'failed', 'unknown'] as const },
      { statuses: ['invalid', 'failed', 'skipped'] as const, errorCode: 'no_match' },
    ]) {
      // Each record is looked up in both tables through their primary keys.
      const pages = await pagesTouchedBy((sql) =>
        findRecords(sql, batchId, { ...search, after: 10 * CHUNK, limit: 50 }),
      );
      expect({ ...search, isBounded: pages < 12 * 50 + 200 }).toEqual({ ...search, isBounded: true });
    }
    const rare = { statuses: ['failed'] as const, errorCode: 'rare', after: 0, limit: 50 };
    expect(await pagesTouchedBy((sql) => findRecords(sql, batchId, rare))).toBeLessThan(2 * refused + 200);
  });

  /** Break it: in `selectErrorCauses`, sort the lines the other way round. */
  it('are summed up by cause, with the first lines and the message of the first', async () => {
    const chunks = LINES / CHUNK;
    const firstLines = (offset: number) => [0, 1, 2, 3, 4].map((n) => n * CHUNK + offset);
    expect(await selectErrorCauses(service, 1)).toEqual([
      {
        code: 'required',
        pointer: '/a',
        message: 'line 500',
        count: chunks,
        sampleLines: firstLines(INVALID),
      },
      {
        code: 'no_match',
        pointer: null,
        message: 'no such member',
        count: chunks,
        sampleLines: firstLines(FAILED),
      },
      { code: 'rare', pointer: '/b', message: 'only here', count: 1, sampleLines: [LINES - CHUNK + FAILED] },
    ]);
    expect(await selectErrorGroups(service, 1)).toEqual({
      groups: [
        {
          code: 'required',
          pattern: 'line …',
          count: chunks,
          sampleLine: INVALID,
          sampleMessage: 'line 500',
        },
        {
          ...{ code: 'no_match', pattern: 'no such member', count: chunks },
          ...{ sampleLine: FAILED, sampleMessage: 'no such member' },
        },
      ],
      examined: 2 * chunks,
    });
  });

  /** Break it: in `selectFound`, answer with the last of the lines as the next one. */
  it('are found page by page, by status, by code or by both', async () => {
    const all = async (search: Omit<Parameters<typeof findRecords>[2], 'after' | 'limit'>) => {
      const lines: number[] = [];
      for (let after: number | null = 0; after !== null;) {
        const page: Awaited<ReturnType<typeof findRecords>> = await findRecords(service, 1, {
          ...{ ...search, after, limit: 30 },
        });
        expect(page.rows.length).toBeLessThanOrEqual(30);
        lines.push(...page.rows.map(({ line }) => line));
        after = page.next;
      }
      return lines;
    };
    const each = (...offsets: number[]) =>
      Array.from({ length: LINES / CHUNK }, (_, n) => offsets.map((offset) => n * CHUNK + offset)).flat();
    expect(await all({ statuses: ['invalid'] })).toEqual(each(INVALID));
    expect(await all({ statuses: ['failed'] })).toEqual(each(FAILED));
    expect(await all({ statuses: ['failed', 'invalid'] })).toEqual(each(INVALID, FAILED));
    expect(await all({ statuses: ['failed', 'invalid'], errorCode: 'required' })).toEqual(each(INVALID));
    expect(await all({ statuses: ['invalid'], errorCode: 'no_match' })).toEqual([]);
    expect(await all({ statuses: ['failed'], errorCode: 'rare' })).toEqual([LINES - CHUNK + FAILED]);
  });

  /** Break it: in `selectLineRanges`, leave out the inner limits; search 50,000 lines together. */
  it('cost no more when all are refused, and the next chunks of any status are few of many', async () => {
    await service.query(
      `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line, record_count,
         invalid_count, state)
       SELECT 3, n + 1, n * 10 + 1, (n + 1) * 10, 10, 10, 'done' FROM generate_series(0, 5999) AS n`,
    );
    await service.query(
      `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, status, error_code, error_message, payload)
       SELECT 3, n, 'invalid', 'required', 'is missing', repeat('x', 200) FROM generate_series(1, 60000) AS n`,
    );
    const search = { statuses: ['invalid', 'failed'] as const, after: 1_005, limit: 50 };
    expect(await pagesTouchedBy((sql) => findRecords(sql, 3, search))).toBeLessThan(250);
    const byCode = { ...search, errorCode: 'required' };
    expect(await pagesTouchedBy((sql) => findRecords(sql, 3, byCode))).toBeLessThan(1_500);
    const chunks = await pagesTouchedBy((sql) => selectLineRanges(sql, 3, ['invalid'], 0, 51));
    expect(chunks).toBeLessThan(20);
    const ranges = await selectLineRanges(service, 3, ['invalid'], 1_005, 51);
    expect(ranges.map(({ first }) => first)).toEqual([1_001, 1_011, 1_021, 1_031, 1_041, 1_051, 1_061]);
  });
});

describe('the migration to an index of invalid records', () => {
  let database: TestDatabase;
  let load: Client;
  let observer: Client;

  beforeEach(async () => {
    database = await createTestDatabase();
    [load, observer] = await Promise.all([connect(), connect()]);
    await revertLastMigration(config());
    await observer.query(
      `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, status, error_code, payload)
       SELECT id, line, 'invalid', 'a', '{}' FROM unnest('{7,1500}'::int[]) AS id, generate_series(1, 20) AS line`,
    );
  });
  afterEach(async () => {
    await Promise.all([load.end(), observer.end()]);
    await database.drop();
  });

  const config = () => ({ databaseUrl: database.url, databasePoolSize: 2 });
  const connect = async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`SET lock_timeout = '20s'`);
    return client;
  };
  const insert = (client: Client, line: number, table = 'import_queue_line') =>
    client.query(
      `INSERT INTO ${table} (workflow_import_queue_batch_id, line_number, status, error_code, payload)
       VALUES (7, $1, 'invalid', 'a', '{}')`,
      [line],
    );
  const building = async (): Promise<number> => {
    let pid = 0;
    await eventually(async () => {
      const { rows } = await observer.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query ~ '^(CREATE|DROP) INDEX' AND wait_event_type = 'Lock'`,
        [database.name],
      );
      pid = rows[0]?.pid ?? 0;
      return pid !== 0;
    }, 'the index to be built');
    return pid;
  };
  const indexes = async () => {
    const { rows } = await observer.query<{ table: string; valid: boolean; lines: number }>(
      `SELECT i.indrelid::regclass::text AS "table", i.indisvalid AS valid,
              (SELECT count(*)::int FROM import_queue_line l WHERE l.tableoid = i.indrelid) AS lines
         FROM pg_index i
        WHERE i.indexrelid = 'import_queue_line_refused'::regclass OR EXISTS (
              SELECT FROM pg_inherits c
               WHERE c.inhrelid = i.indexrelid AND c.inhparent = 'import_queue_line_refused'::regclass)
        ORDER BY 1`,
    );
    return rows;
  };

  /**
   * Break it: in the migration, leave out one CONCURRENTLY or keep an invalid index; in `triesMigrationLock`, leave out
   * the statement after the lock.
   */
  it('lets records arrive and partitions be created, and continues after an interruption', async () => {
    await load.query('BEGIN');
    await insert(load, 21, 'import_queue_line_p0');
    const interrupted = migrate(config()).catch((error: Error) => error.message);
    const pid = await building();
    await insert(observer, 22);
    await observer.query('SELECT import_queue_partition_of(5500)');
    await observer.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await interrupted).toContain('The next run continues with the migration that failed.');

    const again = migrate(config());
    await building();
    const beside = migrate(config());
    await insert(observer, 23);
    await load.query('COMMIT');
    expect(await again).toEqual(['FindInvalidRecords1767146000000']);
    expect(await beside).toEqual([]);
    expect(await indexes()).toEqual([
      { table: 'import_queue_line', valid: true, lines: 0 },
      { table: 'import_queue_line_p0', valid: true, lines: 23 },
      { table: 'import_queue_line_p1000', valid: true, lines: 20 },
      { table: 'import_queue_line_p5000', valid: true, lines: 0 },
    ]);

    expect(await revertLastMigration(config())).toEqual(['FindInvalidRecords1767146000000']);
    const { rows } = await observer.query<{ lines: number }>(
      'SELECT count(*)::int AS lines FROM import_queue_line WHERE error_code IS NOT NULL',
    );
    expect(rows).toEqual([{ lines: 43 }]);
  });

  /** Break it: in `withoutHoldingUpLoads`, leave out `lock_timeout`. */
  it('holds up no load behind one that runs', async () => {
    await load.query('BEGIN');
    await insert(load, 21);
    const migration = migrate(config());
    await building();
    await insert(observer, 22);
    await load.query('COMMIT');
    await migration;
    expect((await indexes()).every(({ valid }) => valid)).toBe(true);
  });
});
