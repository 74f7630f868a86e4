import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../dev/embedded/child-server.js';
import { eventually } from './eventually.js';

export interface Pooler {
  /** Leads to the database through the pooler. */
  url: string;
  stop(): Promise<void>;
}

export const HAS_PGBOUNCER = spawnSync('pgbouncer', ['--version']).error === undefined;

/**
 * PgBouncer before the server of a URL. It refuses unknown startup parameters, as it does by default.
 * @param poolSize connections to the server; a full pool is a test of its own
 */
export async function startPgBouncer(
  databaseUrl: string,
  poolMode: 'session' | 'transaction',
  poolSize = poolMode === 'session' ? 60 : 8,
): Promise<Pooler> {
  const server = new URL(databaseUrl);
  const directory = await mkdtemp(join(tmpdir(), 'wiq-pgbouncer-'));
  await chmod(directory, 0o777);
  const port = await freePort(26432);
  const users = join(directory, 'users.txt');
  await writeFile(
    users,
    `"${decodeURIComponent(server.username)}" "${decodeURIComponent(server.password)}"\n`,
  );
  const settings = join(directory, 'pgbouncer.ini');
  await writeFile(
    settings,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${poolMode}
default_pool_size = ${poolSize}
max_client_conn = 200
`,
  );
  const asRoot = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const pooler: ChildProcess = spawn('pgbouncer', [...asRoot, settings], { stdio: 'ignore' });
  const exited = new Promise((resolve) => pooler.once('exit', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  await eventually(async () => {
    const client = new Client({ connectionString: url.href });
    client.on('error', () => undefined);
    return client.connect().then(
      () => client.end().then(() => true),
      () => false,
    );
  }, 'PgBouncer');
  return {
    url: url.href,
    stop: async () => {
      pooler.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
