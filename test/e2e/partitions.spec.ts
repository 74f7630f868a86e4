import { Client } from 'pg';
import { createPartitions, dropPartition } from '../../src/batches/retention.sql.js';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { RetentionSweeper } from '../../src/operations/retention-sweeper.js';
import { DatabaseService, GuardedClient } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

/** Two batches per partition, from this id on. */
const FIRST = 2000;
const NEVER = new AbortController().signal;

describe('the partitions of the records', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  let sql: DatabaseService;
  let people = 0;
  const sent = new Map<string, readonly unknown[]>();

  beforeAll(async () => {
    const query = Object.getOwnPropertyDescriptor(Client.prototype, 'query')?.value as (
      ...args: unknown[]
    ) => unknown;
    jest.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...args: unknown[]) {
      const [text, values] = args;
      if (this instanceof GuardedClient && typeof text === 'string' && Array.isArray(values)) {
        sent.set(text, values);
      }
      return query.apply(this, args);
    });
    test = await startTestApp({
      PARTITION_BATCHES: '2',
      CHUNK_SIZE: '2',
      RETENTION_INTERVAL_MS: '3600000',
      RECONCILE_INTERVAL_MS: '600000',
    });
    client = new ImportClient(test.url);
    sql = test.app.get(DatabaseService);
    importProcessId = await client.setUp();
    await sql.query(
      `SELECT setval(pg_get_serial_sequence('import_queue_batch', 'workflow_import_queue_batch_id'), $1)`,
      [FIRST - 1],
    );
    await createPartitions(sql, 2);
  });
  afterEach(async () => expect(await examine(sql, INVARIANTS)).toEqual([]));
  afterAll(() => test.close());

  const path = (id: number, rest = '') => `/API/WorkflowImportQueue/Batches/${id}${rest}`;
  const rows = (good: number, bad = 0) =>
    jsonl(
      Array.from({ length: good + bad }, (_, n) =>
        member((people += 1), n < good ? {} : { 'First Name': undefined }),
      ),
    );
  const imported = async (body: string): Promise<number> => {
    const answer = await client.createBatch(body, { importProcessId });
    expect(answer.status).toBe(202);
    await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const partitionOf = (id: number) => id - (id % 2);
  const tablesOf = async (first: number): Promise<string[]> => {
    const found = await sql.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname ~ ('_p' || $1 || '$') ORDER BY 1`,
      [first],
    );
    return found.rows.map(({ name }) => name);
  };
  const THREE = (first: number) =>
    ['line', 'outcome', 'preview'].map((name) => `import_queue_${name}_p${first}`);

  /** Break it: in `WITH_ERROR` or `selectDoneLines`, join by the column instead of the parameter. */
  it('are pruned to one by every statement about a batch, whether it is planned for its values or for all', async () => {
    sent.clear();
    const id = await imported(rows(5, 3));
    const { body: uploaded } = await client.upload(rows(3, 1), { importProcessId });
    const upload: number = uploaded.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    for (const rest of ['', '?operation=created', '/Cleared'])
      await client.get(path(upload, `/Preview${rest}`));
    await client.get(`/imports/${upload}`);
    await client.post(path(upload, '/Confirm'));
    await client.ended(upload);
    for (const batch of [id, upload]) {
      for (const rest of [
        ...[
          '/Records',
          '/Records?status=succeeded',
          '/Records?errorCode=missing_property',
          '/Records?line=2',
        ],
        ...[
          '/ErrorGroups',
          '/Records/2',
          '/Fix',
          '/Results?set=all&format=csv',
          '/Results?set=failed&format=jsonl',
        ],
      ]) {
        await client.get(path(batch, rest));
      }
      for (const page of ['', '/fix', '/records/2', '/records?line=2'])
        await client.get(`/imports/${batch}${page}`);
    }
    const { body: retry } = await client.post(path(id, '/RetryFailed'));
    await client.ended(retry.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    await client.get(`/imports/${id}/fix`);
    const { body: undo } = await client.post(path(id, '/Undo'));
    await client.ended(undo.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const paused = await client.createBatch(rows(4), { importProcessId, canary: 2 });
    const canceled: number = paused.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await eventually(async () => (await client.get(path(canceled))).body.status === 'paused', 'the canary');
    await client.post(path(canceled, '/Cancel'));
    await client.ended(canceled);
    const dropped = await client.upload(rows(1), { importProcessId });
    await client.post(path(dropped.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, '/Abandon'));
    await client.call('DELETE', path(upload));

    const statements = [...sent].filter(([text]) =>
      /import_queue_(line|outcome|preview|record)\b/.test(text),
    );
    expect(statements.length).toBeGreaterThan(15);
    for (const [text, values] of statements) {
      for (const mode of ['force_custom_plan', 'force_generic_plan']) {
        const scanned = await partitionsScanned(text, values, mode);
        expect({ text, mode, scanned }).toEqual({ text, mode, scanned: [...scanned].slice(0, 1) });
      }
    }
  });

  /** The partitions that a plan would read, by their first batch id. */
  async function partitionsScanned(text: string, values: readonly unknown[], mode: string) {
    return sql.connected(async (connection) => {
      await connection.query(`BEGIN; SET LOCAL plan_cache_mode = ${mode}; PREPARE explained AS ${text}`);
      const given = values.map((value) => literal(value, (escaped) => connection.escapeLiteral(escaped)));
      const execution = `explained${given.length === 0 ? '' : ` (${given.join(', ')})`}`;
      const found = await connection.query<{ 'QUERY PLAN': unknown }>(
        `EXPLAIN (FORMAT JSON) EXECUTE ${execution}`,
      );
      await connection.query('ROLLBACK; DEALLOCATE explained');
      const scanned = new Set<string>();
      JSON.stringify(found.rows[0]?.['QUERY PLAN'], (key, node: unknown) => {
        const plan = node as { 'Node Type'?: string; 'Relation Name'?: string } | null;
        const table = plan?.['Relation Name'];
        if (key !== 'Target Tables' && table !== undefined && plan?.['Node Type'] !== 'ModifyTable') {
          const partition = /^import_queue_(?:line|outcome|preview)_p(\d+)$/.exec(table)?.[1];
          if (partition !== undefined) scanned.add(partition);
        }
        return key === 'Target Tables' ? undefined : node;
      });
      return [...scanned];
    });
  }

  function literal(value: any, escaped: (text: string) => string): string {
    if (value === null || value === undefined) return 'NULL';
    if (Array.isArray(value)) {
      const items = value.map((item) =>
        item === null ? 'NULL' : `"${String(item).replace(/["\\]/g, '\\$&')}"`,
      );
      return escaped(`{${items.join(',')}}`);
    }
    return escaped(value instanceof Date ? value.toISOString() : String(value));
  }

  /** Break it: in `import_queue_create_partition`, use CREATE TABLE … PARTITION OF. */
  it('are created ahead of use without waiting for a load, and by whoever overtakes that', async () => {
    await sql.transaction(async (load) => {
      await load.query(`LOCK TABLE import_queue_line, import_queue_outcome IN ROW EXCLUSIVE MODE`);
      await sql.query(
        `SELECT setval(pg_get_serial_sequence('import_queue_batch', 'workflow_import_queue_batch_id'), $1)`,
        [2101],
      );
      await sql.transaction(async (ahead) => {
        await ahead.query(`SET LOCAL lock_timeout = '2s'`);
        expect(await createPartitions(ahead, 2)).toBe(2);
      });
    });
    expect(await createPartitions(sql, 2)).toBe(0);
    expect(await tablesOf(2102)).toEqual(THREE(2102));
    expect(await tablesOf(2300)).toEqual([]);
    await sql.query(
      `SELECT setval(pg_get_serial_sequence('import_queue_batch', 'workflow_import_queue_batch_id'), $1)`,
      [2300],
    );
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => client.createBatch(rows(2), { importProcessId })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    for (const { body } of answers) await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(await tablesOf(2302)).toEqual(THREE(2302));
    expect(await createPartitions(sql, 2)).toBeGreaterThan(0);
  });

  const expireAll = () =>
    sql.query(
      `UPDATE import_queue_batch SET created_at = now() - interval '99 days', started_at = NULL, finished_at = now() - interval '98 days', expired_at = now() - interval '2 days'
        WHERE expired_at IS NULL AND finished_at IS NOT NULL`,
    );

  /** Break it: in `HAS_EXPIRED`, leave out the batches that have not expired, or in `beginDrop` the lock. */
  it('are dropped once all batches in them have expired and none is arriving; the others are emptied row by row', async () => {
    const ids = [await imported(rows(3)), await imported(rows(3)), await imported(rows(3))];
    while (ids.length < 5) ids.push(await imported(rows(2)));
    await expireAll();
    const [kept] = ids.slice(-1);
    await sql.query(
      'UPDATE import_queue_batch SET expired_at = NULL, finished_at = now() WHERE workflow_import_queue_batch_id = $1',
      [kept],
    );
    const gone = ids.filter((id) => partitionOf(id) !== partitionOf(kept!));

    const sweeper = test.app.get(RetentionSweeper, { strict: false });
    const first = partitionOf(gone[0]!);
    await sql.transaction(async (arriving) => {
      await arriving.query('SELECT pg_advisory_xact_lock_shared(7163013, $1)', [first]);
      await sweeper.sweep();
    });
    expect(await tablesOf(first)).toEqual(THREE(first));
    expect(await sweeper.sweep()).toMatchObject({ partitions: 1 });
    for (const id of gone) expect(await tablesOf(partitionOf(id))).toEqual([]);
    expect(await tablesOf(partitionOf(kept!))).toEqual(THREE(partitionOf(kept!)));
    expect((await client.get(path(kept!, '/Records'))).body.items).not.toEqual([]);
    for (const id of gone) {
      expect((await client.get(path(id, '/Records'))).status).toBe(410);
      expect((await client.get(path(id))).body.recordCounts.total).toBeGreaterThan(0);
    }
    const left = await sql.query(
      `SELECT FROM import_queue_chunk WHERE workflow_import_queue_batch_id = ANY ($1)`,
      [gone],
    );
    expect(left.rowCount).toBe(0);
  });

  /** Break it: in `import_queue_drop_partition`, leave out FINALIZE. */
  it('are dropped after an interrupted drop, and by a role that does not own the tables', async () => {
    const ids = [
      await imported(rows(2)),
      await imported(rows(2)),
      await imported(rows(2)),
      await imported(rows(2)),
    ];
    await imported(rows(1));
    await expireAll();
    const [interrupted, ofOther] = [...new Set(ids.map(partitionOf))] as [number, number];

    // A load keeps the detaching waiting until it is canceled.
    const stop = new AbortController();
    await sql.transaction(async (load) => {
      await load.query('LOCK TABLE import_queue_line IN ROW EXCLUSIVE MODE');
      const dropping = dropPartition(sql, interrupted, 0, stop.signal);
      await eventually(
        async () => (await sql.query('SELECT FROM pg_inherits WHERE inhdetachpending')).rowCount === 1,
        'the partition to be detached',
      );
      stop.abort();
      expect(await dropping).toBe(false);
    });
    expect(await tablesOf(interrupted)).toEqual(THREE(interrupted));
    expect(await dropPartition(sql, interrupted, 0, NEVER)).toBe(true);
    expect(await tablesOf(interrupted)).toEqual([]);

    const role = `wiq_run_${process.pid}`;
    await sql.query(`CREATE ROLE ${role}`);
    try {
      await sql.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
      const asRole = {
        query: (text: string, values: readonly unknown[] = []) =>
          sql.transaction(async (transaction) => {
            await transaction.query(`SET LOCAL ROLE ${role}`);
            return transaction.query(text, values);
          }),
        transaction: <Result>(work: Parameters<DatabaseService['transaction']>[0]) =>
          sql.transaction(async (transaction) => {
            await transaction.query(`SET LOCAL ROLE ${role}`);
            return (await work(transaction)) as Result;
          }),
      } as unknown as DatabaseService;
      expect(await dropPartition(asRole, ofOther, 0, NEVER)).toBe(true);
      expect(await tablesOf(ofOther)).toEqual([]);
    } finally {
      await sql.query(`DROP OWNED BY ${role}`);
      await sql.query(`DROP ROLE ${role}`);
    }
    // Emptied like any other expired batch.
    await test.app.get(RetentionSweeper, { strict: false }).sweep();
    await emptyTables(sql, 'outbox');
  });
});
