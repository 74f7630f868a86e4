import { Logger } from '@nestjs/common';
import type { AppConfig } from '../../src/platform/config/config.js';
import type { RunningServer } from './child-server.js';
import { DataDirectory } from './data-directory.js';
import { type PostgresSettings, startPostgres } from './postgres.js';
import { startRedis } from './redis.js';

export interface EmbeddedServers {
  databaseUrl: string;
  redisUrl: string;
  /** Stops only the servers that were started here. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL and a Redis below `dataDir` for each URL that is not set, on free loopback ports. The rest of the
 * program sees no difference: it receives URLs either way.
 * @param settings PostgreSQL settings that override our own; the tests use them to save time.
 * @throws EmbeddedServerError that explains how to proceed.
 */
export async function startEmbeddedServers(
  config: Pick<AppConfig, 'databaseUrl' | 'redisUrl' | 'dataDir'>,
  settings: PostgresSettings = {},
): Promise<EmbeddedServers> {
  const { databaseUrl, redisUrl, dataDir } = config;
  if (databaseUrl !== undefined && redisUrl !== undefined) {
    return { databaseUrl, redisUrl, stop: () => Promise.resolve() };
  }
  const directory = DataDirectory.claim(dataDir);
  const [postgres, redis] = await Promise.allSettled([
    databaseUrl === undefined ? startPostgres(directory.path, settings) : external(databaseUrl),
    redisUrl === undefined ? startRedis(directory.path) : external(redisUrl),
  ]);
  const stop = async () => {
    const started = [redis, postgres].filter((server) => server.status === 'fulfilled');
    await Promise.all(started.map((server) => server.value.stop()));
    directory.release();
  };
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw postgres.status === 'rejected' ? postgres.reason : (redis as PromiseRejectedResult).reason;
  }
  new Logger('EmbeddedServers').log(`Embedded servers run in ${directory.path}.`);
  return { databaseUrl: postgres.value.url, redisUrl: redis.value.url, stop };
}

/** A server that someone else runs: used, never stopped. */
function external(url: string): Promise<RunningServer> {
  return Promise.resolve({ url, stop: () => Promise.resolve() });
}
