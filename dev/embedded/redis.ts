import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import {
  ChildServer,
  EmbeddedServerError,
  freePort,
  type RunningServer,
  type ServerProgram,
  ServerStartError,
} from './child-server.js';
import { endProcess, recordedProcess } from './running-process.js';

const PROGRAMS = ['redis-server', 'valkey-server'];

/**
 * Finds a program that speaks Redis. No npm package contains one that runs everywhere, so this looks on the PATH, then
 * in the distribution, then downloads and compiles one.
 * @throws EmbeddedServerError that names the one command to type on each system.
 */
export async function findRedisServer(): Promise<string> {
  const program = onThePath() ?? (installWithApt() ? onThePath() : undefined) ?? (await compiled());
  if (program === undefined) throw new EmbeddedServerError(HOW_TO_GET_ONE);
  return program;
}

function onThePath(): string | undefined {
  return PROGRAMS.find((program) => spawnSync(program, ['--version']).status === 0);
}

/** Debian and its derivatives, as root: there it takes one call and asks no question. */
function installWithApt(): boolean {
  if (process.getuid?.() !== 0 || !isDebian()) return false;
  const script = 'apt-get update && apt-get install --yes --no-install-recommends redis-server';
  new Logger('EmbeddedServers').warn(`No redis-server found; installing Debian's: ${script}`);
  const { status } = spawnSync(
    'env',
    // RUNLEVEL=1 keeps the package from starting a server of its own on the standard port.
    ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'sh', '-c', script],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return status === 0;
}

function isDebian(): boolean {
  const release = '/etc/os-release';
  return existsSync(release) && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync(release, 'utf8'));
}

async function compiled(): Promise<string | undefined> {
  const logger = new Logger('EmbeddedServers');
  logger.warn('No redis-server found; downloading and compiling one (redis-memory-server), once.');
  try {
    // Loaded only here: it is an optional last resort, and loading it takes longer than the search.
    const { RedisBinary } = await import('redis-memory-server');
    return await RedisBinary.getPath();
  } catch (error) {
    logger.warn(`redis-memory-server could not provide one: ${(error as Error).message}`);
    return undefined;
  }
}

const HOW_TO_GET_ONE = `No Redis to run: neither redis-server nor valkey-server is on the PATH, and none could be installed.
Type one of these, then start again:
  Debian, Ubuntu   sudo apt-get install -y redis-server
  Fedora           sudo dnf install -y valkey
  Alpine           apk add redis
  macOS            brew install redis
  Docker           docker run -d -p 127.0.0.1:6379:6379 redis:7 redis-server --appendonly yes
                   and set REDIS_URL=redis://127.0.0.1:6379`;

export interface RedisSettings {
  /** The path of the program, as found. */
  command: string;
  /** Its files go to `<directory>/redis`. */
  directory: string;
  port: number;
  password: string;
}

/** A Redis that only this machine can reach and that writes every change to an append-only file. */
export function redisProgram({ command, directory, port, password }: RedisSettings): ServerProgram {
  const dataDirectory = join(directory, 'redis');
  mkdirSync(dataDirectory, { recursive: true });
  // Redis creates its files readable for everyone, and the data directory of root can be entered.
  chmodSync(dataDirectory, 0o700);
  return {
    name: 'Redis',
    command,
    // The configuration goes in by standard input: every user could see a password among the arguments.
    args: ['-'],
    input: [
      'bind 127.0.0.1',
      `port ${port}`,
      `requirepass ${password}`,
      `dir "${dataDirectory.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
      'daemonize no',
      'appendonly yes',
      'appendfsync everysec',
      // The append-only file is enough; snapshots would write everything twice.
      'save ""',
      // Jobs must never be evicted.
      'maxmemory-policy noeviction',
      '',
    ].join('\n'),
    logFile: join(directory, 'redis.log'),
    recordFile: redisRecordFile(directory),
    isReady: () => answersPing(port, password),
  };
}

function redisRecordFile(directory: string): string {
  return join(directory, 'redis.process.json');
}

export function redisUrl({ port, password }: Pick<RedisSettings, 'port' | 'password'>): string {
  return `redis://:${password}@127.0.0.1:${port}`;
}

async function answersPing(port: number, password: string): Promise<boolean> {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    password,
    lazyConnect: true,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    // On a closed connection, it would wait two seconds for the close.
    if (client.status !== 'end') client.disconnect();
  }
}

const ATTEMPTS = 3;

/** Starts our own Redis, with a new password for each run, after ending one that a killed run left behind. */
export async function startRedis(directory: string): Promise<RunningServer> {
  const leftOver = recordedProcess(redisRecordFile(directory));
  if (leftOver) await endProcess(leftOver);
  const command = await findRedisServer();

  for (let attempt = 1; ; attempt++) {
    const settings = {
      command,
      directory,
      port: await freePort(),
      password: randomBytes(18).toString('base64url'),
    };
    const server = new ChildServer(redisProgram(settings));
    try {
      await server.start();
      return { url: redisUrl(settings), stop: () => server.stop() };
    } catch (error) {
      if (attempt === ATTEMPTS || !portWasTaken(error)) throw error;
    }
  }
}

/** Another process took the port between the check and the start. */
function portWasTaken(error: unknown): boolean {
  return error instanceof ServerStartError && /in use/i.test(error.said);
}
