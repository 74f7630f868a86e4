import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { EmbeddedServerError } from '../embedded-server.error.js';

const PROGRAMS = ['redis-server', 'valkey-server'];

/**
 * A program that speaks Redis. No npm package ships one that runs everywhere, hence the search: on the
 * PATH, from the distribution, then downloaded and compiled.
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

/** Debian and its children, as root: there it takes one call and no question. */
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
