import type { DataSourceOptions } from 'typeorm';
import type { AppConfig } from '../config/config.js';
import { ENTITIES } from './entities.js';
import { HeardClient } from './heard-client.js';
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
      Client: HeardClient,
      // A worker that was stopped in the middle of a chunk must not hold the chunk's lock for ever.
      idle_in_transaction_session_timeout: config.databaseIdleTransactionMs ?? 60_000,
      keepAlive: true,
    },
  };
}
