import { setTimeout as sleep } from 'node:timers/promises';
import { Global, Logger, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client, DatabaseError, Pool } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import {
  AccountLinkEntity,
  ApiKeyEntity,
  AppUserEntity,
  AuditLogEntity,
  UserSessionEntity,
} from '../auth/entities.js';
import {
  IdempotencyKeyEntity,
  ImportQueueBatchEntity,
  ImportQueueChunkEntity,
  ImportQueueDeliveryEntity,
  ImportQueueLineEntity,
  ImportQueueOutcomeEntity,
  ImportQueuePreviewEntity,
  ImportQueuePreviewRunEntity,
  ImportQueueStatisticsEntity,
  ImportQueueWorkerEntity,
  UploadEntity,
  UploadPartEntity,
  UploadResourceEntity,
} from '../batches/entities.js';
import { OutboxEntity, WebhookEndpointEntity } from '../delivery/entities.js';
import {
  ImportProcessEntity,
  ImportProcessVersionEntity,
  SavedMappingEntity,
} from '../import-processes/entities.js';
import { WorkPermit } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, GuardedClient, type Sql } from '../platform/database/database.service.js';
import { SchemaFit, selectInstallationId } from '../platform/database/installation.js';
import { DatabaseUnreachableError } from '../platform/database/postgres-errors.js';
import { ReadReplica } from '../platform/database/read-replica.js';
import { sessionStatements } from '../platform/database/session-settings.js';
import { errorMessage, StartError } from '../platform/errors.js';
import {
  WorkflowDefinitionEntity,
  WorkflowEntity,
  WorkflowIdentifierEntity,
  WorkflowInstanceEntity,
  WorkflowLogEntity,
} from '../workflows/entities.js';
import { MIGRATIONS } from './migrations.js';

/**
 * The only description of the database connection: the application, `ormconfig.ts` and the tests use it. Only
 * hand-written migrations change the schema.
 */
export function dataSourceOptions(
  config: Pick<AppConfig, 'databaseUrl' | 'databasePoolSize' | 'migrateOnStart'> &
    Partial<Pick<AppConfig, 'databaseIdleTransactionMs'>>,
): DataSourceOptions {
  const idleTransactionMs = config.databaseIdleTransactionMs ?? 60_000;
  return {
    type: 'postgres',
    url: config.databaseUrl,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsRun: config.migrateOnStart,
    migrationsTableName: 'schema_migration',
    // Not all in one: an index that is built while records arrive cannot be part of a transaction.
    migrationsTransactionMode: 'each',
    synchronize: false,
    parseInt8: true,
    poolSize: config.databasePoolSize,
    connectTimeoutMS: 10_000,
    applicationName: 'workflow-import-queue',
    extra: {
      Client: GuardedClient,
      idleTransactionMs,
      onConnect: (client: Client) => client.query(sessionStatements({ idleTransactionMs })),
      keepAlive: true,
    },
  };
}

/** A page that waits for longer is answered by the primary. Downloads read in steps, each of which is far shorter. */
const REPLICA_STATEMENT_MS = 30_000;

function replicaOf({ databaseReadUrl, databasePoolSize, databaseIdleTransactionMs }: AppConfig): ReadReplica {
  if (databaseReadUrl === undefined) return new ReadReplica(undefined);
  const settings = sessionStatements({ idleTransactionMs: databaseIdleTransactionMs });
  const pool = new Pool({
    connectionString: databaseReadUrl,
    max: databasePoolSize,
    connectionTimeoutMillis: 2_000,
    query_timeout: REPLICA_STATEMENT_MS,
    keepAlive: true,
    application_name: 'workflow-import-queue reads',
    Client: GuardedClient,
    // Sent before the statement that asked for the connection, which would also report its loss.
    onConnect: (client) => void client.query(settings).catch(() => undefined),
  });
  pool.on('error', () => undefined);
  return new ReadReplica(pool);
}

const PATIENCE_MS = 30_000;
const RETRY_MS = 1000;
/** The migration of a large table takes long, but a process that waits longer than this is useless. */
const MIGRATION_PATIENCE_MS = 15 * 60_000;
const REPORT_WAIT_EVERY_MS = 10_000;
/** The database system is starting up. */
const CANNOT_CONNECT_NOW = '57P03';

/**
 * Brings the schema up to date. Processes that start together take turns, because TypeORM takes no lock, and the slower
 * one would fail on existing tables. The lock belongs to a transaction, never to a session: behind a pooler a session
 * outlives its client. If the database is still starting, this waits for it.
 */
export function migrate(config: MigrationConfig): Promise<string[]> {
  return whileMigrating(config, async (source) => {
    const applied = await source.runMigrations();
    return applied.map(({ name }) => name);
  });
}

/** Reverts the most recent migration; returns its name, or nothing if no migration is applied. */
export function revertLastMigration(config: MigrationConfig): Promise<string[]> {
  return whileMigrating(config, async (source) => {
    const applied = () => source.query<{ name: string }[]>('SELECT name FROM schema_migration');
    const before = await applied();
    await source.undoLastMigration();
    const left = new Set((await applied()).map(({ name }) => name));
    return before.map(({ name }) => name).filter((name) => !left.has(name));
  });
}

type MigrationConfig = Pick<AppConfig, 'databaseUrl' | 'databasePoolSize'> &
  Partial<Pick<AppConfig, 'migrationDatabaseUrl'>>;

/**
 * Runs the work and returns its result. Of all processes that use the database, only this one runs such work meanwhile.
 */
async function whileMigrating(
  config: MigrationConfig,
  work: (source: DataSource) => Promise<string[]>,
): Promise<string[]> {
  const databaseUrl = config.migrationDatabaseUrl ?? config.databaseUrl;
  const client = await connect(databaseUrl);
  try {
    await takeMigrationLock(client);
    const source = new DataSource(dataSourceOptions({ ...config, databaseUrl, migrateOnStart: false }));
    await source.initialize();
    try {
      return await work(source);
    } finally {
      await source.destroy();
    }
  } catch (error) {
    throw error instanceof StartError ? error : new MigrationError(error);
  } finally {
    // A pooler ends the transaction of a client that left some time later; this frees the lock at once.
    await client.query('ROLLBACK').catch(() => undefined);
    await client.end();
  }
}

/**
 * For a process that does not migrate at start. It can wait for a schema that is merely out of date (`SchemaFit`), but
 * without any schema the application could not even start.
 */
export async function requireSchema(databaseUrl: string): Promise<void> {
  const client = await connect(databaseUrl);
  try {
    const { rows } = await client.query<{ exists: boolean }>(
      `SELECT to_regclass('schema_migration') IS NOT NULL AND to_regclass('api_key') IS NOT NULL AS exists`,
    );
    if (rows[0]?.exists === true) return;
    throw new StartError(
      'The database has no tables yet. Run npm run migration:run, or start with MIGRATE_ON_START=true.',
    );
  } finally {
    await client.end();
  }
}

/**
 * Identifies the installation, that is, the database, to Redis: installations that share a Redis would otherwise take
 * each other's jobs, find nothing and drop them. The same for all processes, and after a fail-over.
 */
export async function installationId(databaseUrl: string | undefined): Promise<string> {
  const client = await connect(databaseUrl);
  try {
    return await selectInstallationId(sqlOf(client));
  } finally {
    await client.end();
  }
}

/** The schema could not be brought up to date. */
class MigrationError extends StartError {
  override readonly name = 'MigrationError';

  constructor(cause: unknown) {
    super(
      `The database could not be migrated: ${errorMessage(cause)}. The next run continues with the migration that ` +
        'failed. The role needs CREATE on the schema and the database the encoding UTF8; then start again.',
      { cause },
    );
  }
}

async function takeMigrationLock(client: Client): Promise<void> {
  const begun = performance.now();
  let reported = begun;
  while (!(await triesMigrationLock(client))) {
    const now = performance.now();
    if (now - begun > MIGRATION_PATIENCE_MS) {
      throw new StartError(
        'Another process has been migrating the database for 15 minutes; start again later.',
      );
    }
    if (now - reported > REPORT_WAIT_EVERY_MS || reported === begun) {
      new Logger('Migrations').log('Another process migrates the database; waiting for it.');
      reported = now;
    }
    await sleep(RETRY_MS);
  }
}

/**
 * An index that is built concurrently waits for every transaction with a snapshot. So one that did not get the lock ends
 * at once, and the statement after the lock ends the snapshot of the one that did: the portal of a statement with
 * parameters would keep it.
 */
async function triesMigrationLock(client: Client): Promise<boolean> {
  await client.query(
    'BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0',
  );
  const isTaken = await tryLock(sqlOf(client), 'migration');
  await client.query(isTaken ? 'SELECT 1' : 'ROLLBACK');
  return isTaken;
}

function sqlOf(client: Client): Sql {
  return {
    query: async <Row extends object>(text: string, values: readonly unknown[] = []) => {
      const { rows, rowCount } = await client.query<Row>(text, [...values]);
      return { rows, rowCount: rowCount ?? 0 };
    },
  };
}

async function connect(databaseUrl: string | undefined): Promise<Client> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
    // The statement that was running reports later errors.
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
  providers: [
    { provide: ReadReplica, inject: [AppConfig], useFactory: replicaOf },
    DatabaseService,
    SchemaFit,
    WorkPermit,
  ],
  exports: [DatabaseService, ReadReplica, SchemaFit, WorkPermit],
})
export class DatabaseModule {}

/** All tables that the application knows. */
const ENTITIES = [
  ApiKeyEntity,
  AppUserEntity,
  AuditLogEntity,
  IdempotencyKeyEntity,
  ImportProcessEntity,
  ImportProcessVersionEntity,
  ImportQueueBatchEntity,
  ImportQueueChunkEntity,
  ImportQueueDeliveryEntity,
  ImportQueueLineEntity,
  ImportQueueOutcomeEntity,
  ImportQueuePreviewEntity,
  ImportQueuePreviewRunEntity,
  ImportQueueStatisticsEntity,
  ImportQueueWorkerEntity,
  OutboxEntity,
  SavedMappingEntity,
  UploadEntity,
  UploadPartEntity,
  UploadResourceEntity,
  UserSessionEntity,
  WebhookEndpointEntity,
  AccountLinkEntity,
  WorkflowDefinitionEntity,
  WorkflowEntity,
  WorkflowIdentifierEntity,
  WorkflowInstanceEntity,
  WorkflowLogEntity,
];
