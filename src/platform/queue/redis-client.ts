import Queue from 'bull';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { type AppConfig, readRedisUrl, type RedisServers } from '../config/config.js';

/** A connection to one Redis, to the master that Sentinels name, or to a cluster. */
export type RedisClient = Redis | Cluster;

type RedisConfig = Pick<AppConfig, 'redisUrl'>;

/** What a client is created for may ask for more; all of these hold for both kinds of clients. */
type ClientOptions = Pick<
  RedisOptions,
  'commandTimeout' | 'connectTimeout' | 'enableOfflineQueue' | 'enableReadyCheck' | 'lazyConnect'
> & { maxRetriesPerRequest?: number | null; retryStrategy?: (attempt: number) => number };

/** Bull's own strategy waits up to 20 s after Redis is back. */
const retryStrategy = (attempt: number) => Math.min(100 * attempt, 2_000);

function redisServers({ redisUrl = 'redis://127.0.0.1:6379' }: RedisConfig): RedisServers {
  const servers = readRedisUrl(redisUrl);
  if (servers === null) throw new Error('REDIS_URL is not valid');
  return servers;
}

/** Whether the keys of one statement must have a common hash tag. */
export const isRedisCluster = (config: RedisConfig): boolean => redisServers(config).kind === 'cluster';

/** REDIS_URL as options of a client; not for a cluster, which needs a client of its own. */
export function redisConnection(config: RedisConfig): RedisOptions {
  const servers = redisServers(config);
  const { kind, nodes, tls, database, master, sentinelPassword } = servers;
  const common = { ...credentials(servers), ...(database !== 0 && { db: database }), retryStrategy };
  if (kind !== 'sentinel') return { ...common, ...nodes[0], ...(tls && { tls: {} }) };
  return {
    ...common,
    sentinels: [...nodes],
    name: master,
    sentinelRetryStrategy: retryStrategy,
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    // Otherwise a client of a master that froze would wait for it, although the Sentinels have named another one.
    failoverDetector: true,
    reconnectOnError: isDemoted,
    ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
  };
}

/** A master that became a replica keeps its connections. 2: reconnect, and send the command again. */
const isDemoted = ({ message }: Error) => (message.startsWith('READONLY') ? 2 : false);

/** @param options what the caller needs beside the addresses */
export function createRedis(config: RedisConfig, options: ClientOptions = {}): RedisClient {
  const servers = redisServers(config);
  if (servers.kind !== 'cluster') return new Redis({ ...redisConnection(config), ...options });
  const { enableOfflineQueue, enableReadyCheck, lazyConnect, retryStrategy: retry, ...ofNodes } = options;
  const clusterOptions: ClusterOptions = {
    clusterRetryStrategy: retry ?? retryStrategy,
    ...(enableOfflineQueue !== undefined && { enableOfflineQueue }),
    ...(enableReadyCheck !== undefined && { enableReadyCheck }),
    ...(lazyConnect !== undefined && { lazyConnect }),
    redisOptions: {
      ...credentials(servers),
      ...(enableReadyCheck !== undefined && { enableReadyCheck }),
      ...ofNodes,
      ...(servers.tls && { tls: {} }),
    },
  };
  return new Cluster([...servers.nodes], clusterOptions);
}

function credentials({ username, password }: RedisServers) {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** Bull blocks on one connection of a queue and subscribes on another; both wait for Redis however long it is away. */
export function clusterClientFactory(config: RedisConfig): (type: string) => Cluster {
  return (type) => {
    const waits = type === 'client' ? {} : { maxRetriesPerRequest: null, enableReadyCheck: false };
    return createRedis(config, waits) as Cluster;
  };
}

interface NamesItsConnection {
  setWorkerName: (this: NamesItsConnection) => Promise<void>;
}

/**
 * Bull names its connection when it begins to consume, only for lists of clients, and does not handle the outcome. A
 * process that had to stop in its first seconds therefore died of an unhandled rejection ("Connection is closed")
 * instead of stopping in an orderly way.
 */
export function ignoreWorkerNameErrors(): void {
  const prototype = Queue.prototype as NamesItsConnection;
  const { setWorkerName } = prototype;
  prototype.setWorkerName = function (this: NamesItsConnection) {
    return setWorkerName.call(this).catch(() => undefined);
  };
}
