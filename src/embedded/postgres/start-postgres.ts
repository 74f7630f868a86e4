import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { ChildServer } from '../child-server.js';
import { freePort } from '../free-port.js';
import { endProcess, recordedProcess } from '../running-process.js';
import type { RunningServer } from '../running-server.js';
import { ServerStartError } from '../server-start.error.js';
import { postgresAccount } from './postgres-account.js';
import { postgresBinaries } from './postgres-binaries.js';
import { PostgresCluster, SUPERUSER } from './postgres-cluster.js';
import { postgresSettings, type PostgresSettings } from './postgres-settings.js';

const DATABASE = 'workflow_import_queue';
const ATTEMPTS = 40;
const RETRY_MS = 250;
/** "The database system is starting up", or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';

/** A PostgreSQL of our own: loopback only, behind a password, everything in `<directory>/postgres`. */
export async function startPostgres(directory: string, settings: PostgresSettings): Promise<RunningServer> {
  const { initdb, postgres } = postgresBinaries();
  const account = postgresAccount(postgres, directory);
  const recordFile = join(directory, 'postgres.process.json');
  const leftOver = recordedProcess(recordFile);
  if (leftOver) await endProcess(leftOver);
  const cluster = new PostgresCluster(join(directory, 'postgres'), account);
  await cluster.ensure(initdb);
  cluster.removeStalePidFile();

  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const url = (database: string) =>
      `postgres://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${database}`;
    const server = new ChildServer({
      name: 'PostgreSQL',
      ...account.commandLine(postgres, postgresArguments(cluster.path, port, settings)),
      logFile: join(directory, 'postgres.log'),
      recordFile,
      isReady: () => acceptsConnections(url('postgres')),
    });
    try {
      await server.start();
    } catch (error) {
      if (attempt === ATTEMPTS || !passes(error)) throw error;
      await sleep(RETRY_MS);
      continue;
    }
    await ensureDatabase(url('postgres'));
    return { url: url(DATABASE), stop: () => server.stop() };
  }
}

function postgresArguments(path: string, port: number, settings: PostgresSettings): string[] {
  const all = Object.entries({ ...postgresSettings(), ...settings, port: String(port) });
  return ['-D', path, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/**
 * Somebody took the port between our look and the start; or the server was killed alone, and those of
 * its processes that have not noticed yet still hold its shared memory.
 */
function passes(error: unknown): boolean {
  return error instanceof ServerStartError && /Address already in use|shared memory block/.test(error.said);
}

async function acceptsConnections(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code !== CANNOT_CONNECT_NOW) throw error;
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}
