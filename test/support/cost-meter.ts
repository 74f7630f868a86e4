import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { RunningServer } from '../../dev/embedded/child-server.js';
import { startPostgres } from '../../dev/embedded/postgres.js';
import { migrate } from '../../src/app/database.js';
import { PgMessage } from '../../src/platform/database/copy-rows.js';
import { DatabaseService, GuardedClient } from '../../src/platform/database/database.service.js';
import { eventually } from './eventually.js';
import { ImportClient } from './import-client.js';
import { startTestApp, type TestApp } from './test-app.js';

const POOL_SIZE = 4;
const REPORT_AFTER_MS = 1_100;

/** What a batch costs PostgreSQL, as counts: a loaded machine does not change them. */
export interface Cost {
  /** Messages to PostgreSQL that are answered before the next one is sent. */
  roundTrips: number;
  /** Bytes of PostgreSQL's write-ahead log. */
  wal: number;
  /** Rows, in all tables of the application's database. */
  inserted: number;
  updated: number;
}

/** The application on a PostgreSQL of its own: the log of the server that all tests share holds what the others write. */
export class CostMeter {
  private sent: string[] = [];

  private constructor(
    private readonly directory: string,
    private readonly postgres: RunningServer,
    private readonly app: TestApp,
    readonly client: ImportClient,
    private readonly observer: Client,
  ) {}

  /** @param environment from the URL of the server's database */
  static async start(environment: (url: string) => Record<string, string> = () => ({})): Promise<CostMeter> {
    const directory = await mkdtemp(join(tmpdir(), 'wiq-cost-'));
    const postgres = await startPostgres(directory, { full_page_writes: 'off', autovacuum: 'off' });
    await migrate({ databaseUrl: postgres.url, databasePoolSize: 2 });
    const observer = new Client({ connectionString: postgres.url });
    await observer.connect();
    const app = await startTestApp({
      DATABASE_URL: postgres.url,
      DATABASE_POOL_SIZE: String(POOL_SIZE),
      RECONCILE_INTERVAL_MS: '600000',
      ...environment(postgres.url),
    });
    const meter = new CostMeter(directory, postgres, app, new ImportClient(app.url), observer);
    meter.listen();
    return meter;
  }

  get url(): string {
    return this.postgres.url;
  }

  async close(): Promise<void> {
    jest.restoreAllMocks();
    await this.observer.end();
    await this.app.close();
    await this.postgres.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Of a batch, from its POST to its end. */
  async costOf(body: string, importProcessId: number): Promise<Cost> {
    const before = await this.settled();
    this.sent = [];
    const answer = await this.client.createBatch(body, { importProcessId });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    await eventually(async () => {
      const { rowCount } = await this.observer.query(
        `SELECT FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1 AND status = 'completed'`,
        [id],
      );
      return rowCount === 1;
    }, 'the batch to end');
    const roundTrips = this.sent.filter(isOfBatch).length;
    const after = await this.settled();
    return {
      roundTrips,
      wal: after.wal - before.wal,
      inserted: after.inserted - before.inserted,
      updated: after.updated - before.updated,
    };
  }

  private listen(): void {
    const query = Object.getOwnPropertyDescriptor(Client.prototype, 'query')?.value as (
      ...args: unknown[]
    ) => unknown;
    const note = (text: string) => this.sent.push(text);
    jest.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...args: unknown[]) {
      const isSent = args[0] instanceof PgMessage && args[0].isFollower;
      if (this instanceof GuardedClient && !isSent) note(textOf(args[0]));
      return query.apply(this, args);
    });
  }

  /**
   * A backend reports its rows when a statement ends at least a second after the last report, so each connection of the
   * application runs a statement then.
   */
  private async settled() {
    await delay(REPORT_AFTER_MS);
    const database = this.app.app.get(DatabaseService);
    await Promise.all(Array.from({ length: POOL_SIZE }, () => database.query('SELECT pg_sleep(0.3)')));
    const { rows } = await this.observer.query<{ wal: number; inserted: number; updated: number }>(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal, sum(n_tup_ins)::float8 AS inserted,
              sum(n_tup_upd)::float8 AS updated
         FROM pg_stat_user_tables`,
    );
    return rows[0]!;
  }
}

/** The polls for due messages and of the schema and the signs of life of the worker go on meanwhile, and are not part of a batch. */
function isOfBatch(text: string): boolean {
  return !/FROM outbox|schema_migration|schema_compatibility|import_queue_worker/.test(text);
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query;
  return (query as { text?: string }).text ?? 'COPY';
}
