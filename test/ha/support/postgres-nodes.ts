import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from '../../../dev/embedded/child-server.js';
import { migrate } from '../../../src/app/database.js';
import { eventually } from '../../support/eventually.js';
import type { TestDatabase } from '../../support/test-database.js';

/** The newest version that Debian's packages have installed. The embedded PostgreSQL lacks `pg_basebackup`. */
export const POSTGRES_BIN = newestBin();

function newestBin(): string | undefined {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return versions
    .map((version) => join(root, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'postgres')));
}

/** PostgreSQL refuses to run as root, so root runs it as the user `postgres`. */
const ACCOUNT = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};

function idOf(flag: string): number {
  return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
}

/** Runs a program to its end, as the user of PostgreSQL. @throws Error with its output */
export function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    ...ACCOUNT,
    cwd: '/',
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}

const postgres = (program: string) => join(POSTGRES_BIN ?? '', program);

/** A folder that the user of PostgreSQL owns. */
export function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wiq-ha-'));
  chmodSync(directory, 0o755);
  if (ACCOUNT.uid !== undefined) chownSync(directory, ACCOUNT.uid, ACCOUNT.gid);
  return directory;
}

/** Starts a program as the user of PostgreSQL. */
export function start(
  command: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): ChildProcess {
  return spawn(command, args, {
    ...ACCOUNT,
    cwd: '/',
    env: { PATH: process.env.PATH, ...environment },
    stdio: process.env.HA_OUTPUT === undefined ? 'ignore' : 'inherit',
  });
}

/** Processes whose parent is this one. */
export function childrenOf(pid: number): { pid: number; title: string }[] {
  const { stdout } = spawnSync('ps', ['--ppid', String(pid), '-o', 'pid=,args='], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, id, title] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return { pid: Number(id), title: title ?? '' };
    });
}

/** A PostgreSQL server with files of its own. */
export class PostgresNode {
  private server: ChildProcess | undefined;

  private constructor(
    private readonly root: string,
    readonly port: number,
    private readonly settings: readonly string[],
  ) {}

  static async primary(settings: readonly string[] = []): Promise<PostgresNode> {
    const node = new PostgresNode(openDirectory(), await freePort(), settings);
    run(postgres('initdb'), [
      '-D',
      node.data,
      '-U',
      'postgres',
      '--auth=trust',
      '--encoding=UTF8',
      '--no-sync',
    ]);
    await node.up();
    return node;
  }

  /** A streaming replica of this server. */
  async replica(name: string): Promise<PostgresNode> {
    const node = new PostgresNode(openDirectory(), await freePort(), this.settings);
    const source = `host=127.0.0.1 port=${this.port} user=postgres application_name=${name}`;
    const options = ['-R', '-X', 'stream', '-c', 'fast', '--no-sync'];
    // Not `run`: the proxies of this process go on carrying what others send to the server.
    await promisify(execFile)(postgres('pg_basebackup'), ['-D', node.data, '-d', source, ...options], {
      ...ACCOUNT,
      cwd: '/',
    });
    await node.up();
    return node;
  }

  get data(): string {
    return join(this.root, 'data');
  }

  urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async up(): Promise<void> {
    const settings = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'fsync=off',
      'shared_buffers=64MB',
      'max_connections=100',
      ...this.settings,
    ];
    this.server = start(postgres('postgres'), [
      ...['-D', this.data, '-p', String(this.port)],
      ...settings.flatMap((setting) => ['-c', setting]),
    ]);
    await eventually(
      () =>
        this.ask('SELECT 1').then(
          () => true,
          () => false,
        ),
      'PostgreSQL to answer',
      60_000,
    );
  }

  /** Runs one statement on a connection of its own. */
  async ask<Row extends object>(text: string, database = 'postgres'): Promise<Row[]> {
    const client = new Client({ connectionString: this.urlOf(database), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** The processes that send or receive the write-ahead log, or all of them. */
  processes(title = ''): number[] {
    const pid = this.server?.pid;
    if (pid === undefined) return [];
    const children = childrenOf(pid).filter((child) => child.title.includes(title));
    return title === '' ? [pid, ...children.map((child) => child.pid)] : children.map((child) => child.pid);
  }

  signal(signal: NodeJS.Signals, title = ''): void {
    for (const pid of this.processes(title)) endOf(pid, signal);
  }

  /** kill -9 of all of its processes, as when its machine is gone. */
  async kill(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    const gone = server.exitCode === null && server.signalCode === null ? once(server, 'exit') : undefined;
    // While it is frozen it starts no child that would outlive it and keep its memory in use.
    server.kill('SIGSTOP');
    for (const { pid } of childrenOf(server.pid ?? 0)) endOf(pid, 'SIGKILL');
    server.kill('SIGKILL');
    await gone;
  }

  /** `pg_ctl restart -m immediate`: nothing is flushed, and every session ends. It recovers when it starts again. */
  async crash(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    const gone = once(server, 'exit');
    server.kill('SIGQUIT');
    await gone;
    await this.up();
  }

  /** Makes a replica take writes. */
  async promote(): Promise<void> {
    await this.ask('SELECT pg_promote()');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.root, { recursive: true, force: true });
  }
}

function endOf(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** A new, migrated database of that server. The server is thrown away, and the database with it. */
export async function migratedDatabase(urlOf: (database: string) => string): Promise<TestDatabase> {
  const name = 'wiq';
  const client = new Client({ connectionString: urlOf('postgres') });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  await migrate({ databaseUrl: urlOf(name), databasePoolSize: 4 });
  return { url: urlOf(name), name, drop: () => Promise.resolve() };
}
