import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { ServerProgram } from '../server-program.js';

export interface RedisSettings {
  /** The program, as found. */
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
  return {
    name: 'Redis',
    command,
    // The configuration goes in by standard input: a password among the arguments is seen by everybody.
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

export function redisRecordFile(directory: string): string {
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
    // On a connection that is closed already it would wait two seconds for the close.
    if (client.status !== 'end') client.disconnect();
  }
}
