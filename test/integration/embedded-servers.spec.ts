import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { type EmbeddedServers, startEmbeddedServers } from '../../dev/embedded/embedded-servers.js';
import { isAlive, type RunningProcess } from '../../dev/embedded/running-process.js';
import { ChildProgram } from '../support/child-program.js';
import { eventually } from '../support/eventually.js';

const HOST = 'test/support/embedded-host.ts';
type Urls = Pick<EmbeddedServers, 'databaseUrl' | 'redisUrl'>;

async function sql<Row>(url: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows as Row[];
  } finally {
    await client.end();
  }
}

async function redis<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.disconnect();
  }
}

describe('embedded servers', () => {
  let dataDir: string;
  const recorded = async (server: 'postgres' | 'redis') =>
    JSON.parse(await readFile(join(dataDir, `${server}.process.json`), 'utf8')) as RunningProcess;

  beforeAll(() => Logger.overrideLogger(['error']));
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'wiq-embedded-'));
    await chmod(dataDir, 0o755);
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  const start = (given: Partial<Urls> = {}) =>
    startEmbeddedServers({ dataDir, databaseUrl: undefined, redisUrl: undefined, ...given });

  /** In a process of its own, to be killed. */
  async function host(): Promise<{ program: ChildProgram; urls: Urls }> {
    const program = new ChildProgram(HOST, [dataDir]);
    return { program, urls: JSON.parse(await program.prints(/^(\{.*\})$/m)) as Urls };
  }

  /** Break it: in `redisProgram`, leave the mode of the directory alone; open logs without a mode. */
  it('keep their files from other users of the machine', async () => {
    await mkdir(join(dataDir, 'redis'));
    const servers = await start();
    await redis(servers.redisUrl, (client) => client.set('secret', 'yes'));
    const readable = async (directory: string): Promise<string[]> => {
      const entries = await readdir(directory);
      const found = await Promise.all(
        entries.map(async (name) => {
          const path = join(directory, name);
          const entry = await stat(path);
          const { mode } = entry;
          const isOpen = (mode & 0o044) !== 0;
          if (entry.isDirectory()) return (mode & 0o011) === 0 ? [] : readable(path);
          return isOpen ? [path.slice(dataDir.length)] : [];
        }),
      );
      return found.flat();
    };
    try {
      expect(await readable(dataDir)).toEqual([]);
    } finally {
      await servers.stop();
    }
  });

  it('starts both, keeps their data over a restart, and leaves no process behind', async () => {
    const first = await start();
    await sql(first.databaseUrl, 'CREATE TABLE kept AS SELECT 17 AS id');
    await redis(first.redisUrl, (client) => client.set('kept', 'yes'));
    const processes = [await recorded('postgres'), await recorded('redis')];
    expect(processes.map(isAlive)).toEqual([true, true]);
    await first.stop();
    expect(processes.map(isAlive)).toEqual([false, false]);

    const second = await start();
    try {
      expect(await sql(second.databaseUrl, 'SELECT id FROM kept')).toEqual([{ id: 17 }]);
      expect(await redis(second.redisUrl, (client) => client.get('kept'))).toBe('yes');
    } finally {
      await second.stop();
    }
  });

  it('keeps every promise of durability switched on', async () => {
    const servers = await start({ redisUrl: 'redis://127.0.0.1:1' });
    try {
      const settings = await sql(
        servers.databaseUrl,
        `SELECT name, setting FROM pg_settings
          WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses') ORDER BY name`,
      );
      expect(settings).toEqual([
        { name: 'fsync', setting: 'on' },
        { name: 'full_page_writes', setting: 'on' },
        { name: 'listen_addresses', setting: '127.0.0.1' },
        { name: 'synchronous_commit', setting: 'on' },
      ]);
    } finally {
      await servers.stop();
    }
  });

  it('starts only servers without a URL, and none if both have one', async () => {
    const urls = { databaseUrl: 'postgres://127.0.0.1:1/none', redisUrl: 'redis://127.0.0.1:1' };
    const none = await start(urls);
    expect(none).toMatchObject(urls);
    await none.stop();

    const one = await start({ databaseUrl: urls.databaseUrl });
    expect(one.databaseUrl).toBe(urls.databaseUrl);
    expect(await redis(one.redisUrl, (client) => client.ping())).toBe('PONG');
    await one.stop();
    await expect(readFile(join(dataDir, 'postgres.log'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('lets no one in without the password', async () => {
    const servers = await start();
    try {
      const [database, cache] = [new URL(servers.databaseUrl), new URL(servers.redisUrl)];
      database.password = 'guessed';
      cache.password = '';
      await expect(sql(database.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
      await expect(redis(cache.href, (client) => client.ping())).rejects.toThrow('NOAUTH');
    } finally {
      await servers.stop();
    }
  });

  it('refuses a directory that another process uses, and names the process', async () => {
    const { program } = await host();
    await expect(start()).rejects.toThrow(/in use by another Workflow Import Queue \(process \d+\)/);
    await program.end('SIGTERM');
    await (await start()).stop();
  });

  it('loses nothing when its process is killed with kill -9, and ends the orphans', async () => {
    const { program, urls } = await host();
    await sql(urls.databaseUrl, 'CREATE TABLE kept AS SELECT 18 AS id');
    const orphans = [await recorded('postgres'), await recorded('redis')];
    await program.end('SIGKILL');
    // At once, while the orphans may still be there.
    const servers = await start();
    try {
      expect(orphans.map(isAlive)).toEqual([false, false]);
      expect(await sql(servers.databaseUrl, 'SELECT id FROM kept')).toEqual([{ id: 18 }]);
    } finally {
      await servers.stop();
    }
  });

  it('leaves no server running after a kill -9, even without another start', async () => {
    const { program } = await host();
    const orphans = [await recorded('postgres'), await recorded('redis')];
    await program.end('SIGKILL');
    await eventually(() => !orphans.some(isAlive), 'the orphans to end');
  });

  it('recovers when everything is killed with kill -9 at once, as in a power cut', async () => {
    const { program, urls } = await host();
    await sql(urls.databaseUrl, 'CREATE TABLE kept AS SELECT 19 AS id');
    for (const { pid } of [await recorded('postgres'), await recorded('redis')]) process.kill(pid, 'SIGKILL');
    await program.end('SIGKILL');
    const servers = await start();
    try {
      expect(await sql(servers.databaseUrl, 'SELECT id FROM kept')).toEqual([{ id: 19 }]);
    } finally {
      await servers.stop();
    }
  });

  it('restarts a server that exited, at the same address', async () => {
    const servers = await start();
    try {
      await sql(servers.databaseUrl, 'CREATE TABLE kept AS SELECT 20 AS id');
      for (const { pid } of [await recorded('postgres'), await recorded('redis')]) {
        process.kill(pid, 'SIGKILL');
      }
      const rows = await eventually(
        () => sql(servers.databaseUrl, 'SELECT id FROM kept').catch(() => undefined),
        'PostgreSQL to come back',
      );
      expect(rows).toEqual([{ id: 20 }]);
      await eventually(
        () => redis(servers.redisUrl, (client) => client.ping()).catch(() => undefined),
        'Redis to come back',
      );
    } finally {
      await servers.stop();
    }
  });

  it('is not taken in by a pid file whose number now belongs to another process', async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), `${process.pid}\n${dataDir}/postgres\n`);
    const stale = JSON.stringify({ pid: process.pid, start: 'before the last boot' });
    for (const name of ['owner', 'postgres.process', 'redis.process']) {
      await writeFile(join(dataDir, `${name}.json`), stale);
    }
    await (await start()).stop();
  });

  it('starts again if the creation of the database was interrupted', async () => {
    await mkdir(join(dataDir, 'postgres.unfinished', 'cluster'), { recursive: true });
    await writeFile(join(dataDir, 'postgres.unfinished', 'cluster', 'half'), 'made');
    await (await start()).stop();
  });

  it('names a data directory that cannot be made', async () => {
    await writeFile(join(dataDir, 'file'), '');
    await expect(
      startEmbeddedServers({
        dataDir: join(dataDir, 'file', 'below'),
        databaseUrl: undefined,
        redisUrl: undefined,
      }),
    ).rejects.toThrow(/data directory .*file\/below is not writable .* set DATA_DIR/);
  });

  (process.getuid?.() === 0 ? it : it.skip)(
    'runs as root below a directory that only root may enter',
    async () => {
      await chmod(dataDir, 0o700);
      const servers = await start({ redisUrl: 'redis://127.0.0.1:1' });
      try {
        expect(await sql(servers.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      } finally {
        await servers.stop();
      }
    },
  );
});
