import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Client, DatabaseError } from 'pg';
import { DataSource } from 'typeorm';
import type { AppConfig } from '../config/config.js';
import { dataSourceOptions } from './data-source-options.js';
import { DatabaseUnreachableError } from './database-unreachable.error.js';

/** Any number; whoever migrates holds it. */
const MIGRATION_LOCK = 7_163_001;
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
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
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
