import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** Named by the process that runs the tests, so that two runs on one server keep out of each other's way. */
export const TEMPLATE_DATABASE = (process.env.WIQ_TEST_TEMPLATE ??= `wiq_template_${process.pid}`);

/** PostgreSQL's error code `deadlock_detected`. */
const DEADLOCK_DETECTED = '40P01';

/** The server of DATABASE_URL, another database. */
export function databaseNamed(name: string): string {
  const url = new URL(process.env.DATABASE_URL!);
  url.pathname = `/${name}`;
  return url.toString();
}

export interface TestDatabase {
  url: string;
  name: string;
  drop(): Promise<void>;
}

/** A fresh, migrated database of the calling test file: a clone of the template, made in milliseconds. */
export function createTestDatabase(): Promise<TestDatabase> {
  return createDatabase(`TEMPLATE ${TEMPLATE_DATABASE}`);
}

/** A database without tables. @param options of CREATE DATABASE, for example an encoding */
export function createEmptyDatabase(options = ''): Promise<TestDatabase> {
  return createDatabase(`TEMPLATE template0 ${options}`);
}

async function createDatabase(options: string): Promise<TestDatabase> {
  const name = `wiq_test_${randomBytes(6).toString('hex')}`;
  await administer(`CREATE DATABASE ${name} ${options}`);
  return {
    url: databaseNamed(name),
    name,
    drop: () => administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  try {
    // Two clones of one template at a time refuse each other: take turns.
    await client.query('SELECT pg_advisory_lock(7165)');
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/**
 * Empties tables that an application is working on. Its loops hold locks of their own: when the two wait for each other,
 * PostgreSQL ends one of them, and if that is this one, it tries again.
 * @param tables as SQL lists them; tables that refer to them are emptied, too
 */
export async function emptyTables(
  database: { query: (sql: string) => Promise<unknown> },
  tables: string,
): Promise<void> {
  for (;;) {
    try {
      await database.query(`TRUNCATE ${tables} CASCADE`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== DEADLOCK_DETECTED) throw error;
    }
  }
}
