import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { RunningServer } from '../../dev/embedded/child-server.js';
import { startPostgres } from '../../dev/embedded/postgres.js';
import { migrate } from '../../src/app/database.js';
import { DatabaseService, GuardedClient } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const RECORDS = 1_000;
const POOL_SIZE = 4;
const REPORT_AFTER_MS = 1_100;

/** What 1,000 records cost PostgreSQL, as counts: a loaded machine does not change them. */
interface Cost {
  /** Messages to PostgreSQL that are answered before the next one is sent. */
  roundTrips: number;
  /** Bytes of PostgreSQL's write-ahead log. */
  wal: number;
  /** Rows, in all tables. */
  inserted: number;
  updated: number;
}

describe('what 1,000 records cost PostgreSQL', () => {
  let directory: string;
  let postgres: RunningServer;
  let app: TestApp;
  let client: ImportClient;
  let observer: Client;
  let importProcessId: number;
  let sent: string[] = [];

  beforeAll(async () => {
    // The log of the server that all tests share holds what the others write.
    directory = await mkdtemp(join(tmpdir(), 'wiq-cost-'));
    postgres = await startPostgres(directory, { full_page_writes: 'off', autovacuum: 'off' });
    await migrate({ databaseUrl: postgres.url, databasePoolSize: 2 });
    const query = Object.getOwnPropertyDescriptor(Client.prototype, 'query')?.value as (
      ...args: unknown[]
    ) => unknown;
    jest.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...args: unknown[]) {
      if (this instanceof GuardedClient) sent.push(textOf(args[0]));
      return query.apply(this, args);
    });
    app = await startTestApp({
      DATABASE_URL: postgres.url,
      DATABASE_POOL_SIZE: String(POOL_SIZE),
      RECONCILE_INTERVAL_MS: '600000',
    });
    client = new ImportClient(app.url);
    importProcessId = await client.setUp();
    observer = new Client({ connectionString: postgres.url });
    await observer.connect();
    // The first batch also causes what is done once.
    await costOf(rowsFrom(1_000_000));
  }, 120_000);
  afterAll(async () => {
    jest.restoreAllMocks();
    await observer?.end();
    await app?.close();
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const rowsFrom = (first: number) => jsonl(Array.from({ length: RECORDS }, (_, n) => member(first + n)));

  /** The polls for due messages and of the schema and the signs of life of the worker go on meanwhile, and are not part of a batch. */
  const isOfBatch = (text: string) =>
    !/FROM outbox|schema_migration|schema_compatibility|import_queue_worker/.test(text);

  const numbers = async () => {
    const { rows } = await observer.query<{ wal: number; inserted: number; updated: number }>(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal, sum(n_tup_ins)::float8 AS inserted,
              sum(n_tup_upd)::float8 AS updated
         FROM pg_stat_user_tables`,
    );
    return rows[0]!;
  };

  async function costOf(body: string): Promise<Cost> {
    const before = await settled();
    sent = [];
    const answer = await client.createBatch(body, { importProcessId });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await eventually(async () => {
      const { rowCount } = await observer.query(
        `SELECT FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 AND status = 'completed'`,
        [id],
      );
      return rowCount === 1;
    }, 'the batch to end');
    const roundTrips = sent.filter(isOfBatch).length;
    const after = await settled();
    return {
      roundTrips,
      wal: after.wal - before.wal,
      inserted: after.inserted - before.inserted,
      updated: after.updated - before.updated,
    };
  }

  /**
   * A backend reports its rows when a statement ends at least a second after the last report, so each connection of the
   * application runs a statement then.
   */
  async function settled() {
    await delay(REPORT_AFTER_MS);
    const database = app.app.get(DatabaseService);
    await Promise.all(Array.from({ length: POOL_SIZE }, () => database.query('SELECT pg_sleep(0.3)')));
    return numbers();
  }

  /**
   * Break it: in `DatabaseService.attempt`, send the settings in a message of their own; in `writeOutcomes`, insert
   * each outcome by itself; in `ClientTransaction.send`, send each statement by itself; in `logToInsert`, write the values of
   * creations.
   */
  it('is bounded for records that are created', async () => {
    const { roundTrips, wal, inserted, updated } = await costOf(rowsFrom(1));
    expect(roundTrips).toBeLessThanOrEqual(31);
    // The line and its outcome, the instance, two identifiers and a log entry; the batch and its chunk, and the
    // statistics of the chunk and of the end of the batch.
    expect(inserted).toBeLessThanOrEqual(6 * RECORDS + 4);
    // The worker shows every 5 s that it lives.
    expect(updated).toBeLessThanOrEqual(8);
    expect(wal).toBeLessThanOrEqual(1_250 * RECORDS);
  });

  it('is bounded for records that change nothing', async () => {
    const { roundTrips, wal, inserted, updated } = await costOf(rowsFrom(1));
    expect(roundTrips).toBeLessThanOrEqual(30);
    expect(inserted).toBeLessThanOrEqual(2 * RECORDS + 4);
    expect(updated).toBeLessThanOrEqual(8);
    expect(wal).toBeLessThanOrEqual(430 * RECORDS);
  });
});

function textOf(query: unknown): string {
  if (typeof query === 'string') return query;
  return (query as { text?: string }).text ?? 'COPY';
}
