import { setTimeout as sleep } from 'node:timers/promises';
import { Global, Logger, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client, DatabaseError } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { AppConfig } from '../platform/config/config.js';
import { ADVISORY_LOCK_CLASSES } from '../platform/database/advisory-locks.js';
import { DatabaseService, GuardedClient } from '../platform/database/database.service.js';
import { DatabaseUnreachableError } from '../platform/database/postgres-errors.js';
import { ENTITIES } from './entities.js';
import { MIGRATIONS } from './migrations.js';

/**
 * The one description of the database connection: the application, `ormconfig.ts` and the tests use it.
 * The schema is made by hand-written migrations only.
 */
export function dataSourceOptions(
  config: Pick<AppConfig, 'databaseUrl' | 'databasePoolSize' | 'migrateOnStart'> &
    Partial<Pick<AppConfig, 'databaseIdleTransactionMs'>>,
): DataSourceOptions {
  return {
    type: 'postgres',
    url: config.databaseUrl,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsRun: config.migrateOnStart,
    migrationsTableName: 'schema_migration',
    synchronize: false,
    parseInt8: true,
    poolSize: config.databasePoolSize,
    connectTimeoutMS: 10_000,
    applicationName: 'workflow-import-queue',
    extra: {
      Client: GuardedClient,
      // A worker that was stopped in the middle of a chunk must not hold the chunk's lock for ever.
      idle_in_transaction_session_timeout: config.databaseIdleTransactionMs ?? 60_000,
      keepAlive: true,
    },
  };
}

const PATIENCE_MS = 30_000;
const RETRY_MS = 1000;
/** The database system is starting up. */
const CANNOT_CONNECT_NOW = '57P03';

/**
 * Brings the schema up to date. Several processes may start at once: TypeORM takes no lock and the slower
 * would fail on tables that are already there, so they take turns. A database that is still starting, as
 * beside us in a compose file, is waited for.
 */
export async function migrate(config: Pick<AppConfig, 'databaseUrl' | 'databasePoolSize'>): Promise<void> {
  const client = await connect(config.databaseUrl);
  try {
    await client.query('SELECT pg_advisory_lock($1, 0)', [ADVISORY_LOCK_CLASSES.migration]);
    const source = new DataSource(dataSourceOptions({ ...config, migrateOnStart: true }));
    await source.initialize();
    await source.destroy();
  } finally {
    await client.end();
  }
}

async function connect(databaseUrl: string | undefined): Promise<Client> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
    // What breaks later is reported by the statement that was running.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const refused = error instanceof DatabaseError && error.code !== CANNOT_CONNECT_NOW;
      if (refused || performance.now() > end) throw new DatabaseUnreachableError(databaseUrl, error);
      new Logger('Migrations').warn(
        `PostgreSQL does not answer yet (${(error as Error).message}); trying again.`,
      );
      await sleep(RETRY_MS);
    }
  }
}

@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => dataSourceOptions(config),
    }),
  ],
  providers: [DatabaseService],
  exports: [DatabaseService],
})
export class DatabaseModule {}
