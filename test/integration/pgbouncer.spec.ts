import { Client } from 'pg';
import { migrate } from '../../src/app/database.js';
import { ADVISORY_LOCK_CLASSES } from '../../src/platform/database/advisory-locks.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { HAS_PGBOUNCER, type Pooler, startPgBouncer } from '../support/pgbouncer.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Without the package, which `.ci/run` installs, there is nothing to try. */
const describePooled = HAS_PGBOUNCER ? describe : describe.skip;

describePooled.each(['transaction', 'session'] as const)(
  'behind PgBouncer in %s mode, with its URL alone',
  (mode) => {
    let pooler: Pooler;
    let app: TestApp;

    beforeAll(async () => {
      pooler = await startPgBouncer(process.env.DATABASE_URL!, mode);
    });

    afterAll(async () => {
      await app?.close();
      await pooler?.stop();
    });

    const pooled = (databaseUrl: string) => {
      const url = new URL(databaseUrl);
      url.port = new URL(pooler.url).port;
      url.hostname = '127.0.0.1';
      return url.href;
    };

    /** Break it: give `idle_in_transaction_session_timeout` to pg as an option; PgBouncer refuses the connection. */
    it('starts, imports, and bounds idle transactions', async () => {
      app = await startTestApp({}, pooled);
      const client = new ImportClient(app.url);
      const importProcessId = await client.setUp();
      const { body } = await client.createBatch(jsonl([member(1), member(2)]), { importProcessId });
      const ended = await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      expect(ended.recordCounts).toMatchObject({ total: 2, succeeded: 2 });
      const bound = await app.app
        .get(DatabaseService)
        .transaction((transaction) =>
          transaction.query<{ bound: string }>(
            `SELECT current_setting('idle_in_transaction_session_timeout') AS bound`,
          ),
        );
      expect(bound.rows).toEqual([{ bound: '1min' }]);
    });

    /** Break it: in `whileMigrating`, connect to `databaseUrl`, or give it to the data source. */
    it('migrates elsewhere if MIGRATION_DATABASE_URL says so', async () => {
      const nowhere = 'postgres://nobody@127.0.0.1:1/nowhere';
      const config = { databaseUrl: nowhere, migrationDatabaseUrl: app.database.url, databasePoolSize: 4 };
      expect(await migrate(config)).toEqual([]);
    });

    /** Break it: take the lock of a session. It stays with the pooler's connection, and the second migration waits. */
    it('migrates again and again, and leaves no lock behind', async () => {
      const config = { databaseUrl: pooled(app.database.url), databasePoolSize: 4 };
      for (let round = 0; round < 3; round += 1) await migrate(config);
      const direct = new Client({ connectionString: app.database.url });
      await direct.connect();
      const { rows } = await direct.query(
        `SELECT count(*)::integer AS held FROM pg_locks
        WHERE locktype = 'advisory' AND classid = $1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        [ADVISORY_LOCK_CLASSES.migration],
      );
      await direct.end();
      expect(rows).toEqual([{ held: 0 }]);
    });
  },
);
