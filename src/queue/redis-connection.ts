import type { RedisOptions } from 'ioredis';
import type { AppConfig } from '../config/config.js';

/** REDIS_URL as options, since Bull wants the same connection described for three clients. */
export function redisConnection(config: Pick<AppConfig, 'redisUrl'>): RedisOptions {
  const url = new URL(config.redisUrl ?? 'redis://127.0.0.1:6379');
  const database = url.pathname.replace(/^\//, '');
  return {
    // A URL has an IPv6 address in brackets, a connection has none.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...(database !== '' && { db: Number(database) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
    // Bull's own waits up to 20 s after Redis is back.
    retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
  };
}
