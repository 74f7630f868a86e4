import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { errorMessage } from '../errors.js';

/**
 * Settings that the product relies on, regardless of the settings of the database, the role or a pooler: dates use the
 * ISO format, statements have no time limit and are not compiled, and transactions see the commits of others.
 */
const RELIED_ON = {
  datestyle: 'ISO, MDY',
  timezone: 'UTC',
  statement_timeout: '0',
  lock_timeout: '0',
  // Where PostgreSQL expects many rows, compiling a statement took 2 s, and running it 0.1 s.
  jit: 'off',
  // This program compares itself with the schema (`SchemaFit`). Triggers look closer at sessions that do not say so.
  'wiq.checks_schema': 'on',
} as const;

export interface SettingsOfTransactions {
  /** How long a session may be idle in an open transaction before PostgreSQL ends it; 0: no limit. */
  idleTransactionMs: number;
}

/** Run once on each new connection. They are never startup parameters, because PgBouncer refuses most of those. */
export function sessionStatements(settings: SettingsOfTransactions): string {
  const isolation = `SET default_transaction_isolation = 'read committed'`;
  return [isolation, ...assignments('SET', settings)].join('; ');
}

/** In lower case: the tests that cut a connection look for COMMIT. */
export const BEGIN = 'START TRANSACTION ISOLATION LEVEL read committed';

/**
 * Begins a transaction with the settings: a pooler may have assigned a connection that never ran the statements above.
 * Sent as one message, because a message of its own for each part would double the time of a short transaction.
 */
export function beginStatements(settings: SettingsOfTransactions): string {
  return [BEGIN, ...assignments('SET LOCAL', settings)].join('; ');
}

/** The settings of the open transaction, as items of a SELECT: one statement is answered faster than one for each. */
export function localSettings(settings: SettingsOfTransactions): string {
  return Object.entries(values(settings))
    .map(([name, value]) => `set_config('${name}', '${value}', true)`)
    .join(', ');
}

/**
 * Warns when PostgreSQL would not end the transaction of a frozen process. Its locks would then last until that process
 * is killed.
 */
export async function checkTransactionBound(
  dataSource: DataSource,
  { idleTransactionMs }: SettingsOfTransactions,
): Promise<void> {
  const logger = new Logger('Database');
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query(beginStatements({ idleTransactionMs }));
    const [row] = (await runner.query(
      `SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`,
    )) as { setting: string }[];
    const inForce = Number(row?.setting);
    await runner.query('ROLLBACK');
    if (inForce === idleTransactionMs) return;
    logger.warn({
      message:
        'idle transactions are not ended as DATABASE_IDLE_TRANSACTION_MS says: a frozen process keeps locks',
      inForce,
    });
  } catch (error) {
    logger.warn({
      message: 'the bound of idle transactions could not be checked',
      error: errorMessage(error),
    });
  } finally {
    await runner.release();
  }
}

function assignments(set: 'SET' | 'SET LOCAL', settings: SettingsOfTransactions): string[] {
  return Object.entries(values(settings)).map(([name, value]) => `${set} ${name} = '${value}'`);
}

function values({ idleTransactionMs }: SettingsOfTransactions): Record<string, string> {
  return { ...RELIED_ON, idle_in_transaction_session_timeout: String(idleTransactionMs) };
}
