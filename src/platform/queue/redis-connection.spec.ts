import { readRedisUrl } from '../config/config.js';
import { createRedis, isRedisCluster, redisConnection } from './redis-client.js';

describe('the connection to Redis', () => {
  /** Break it: take the host as the URL has it; leave the password encoded. */
  it.each([
    [undefined, { host: '127.0.0.1', port: 6379 }],
    ['redis://redis.example.org', { host: 'redis.example.org', port: 6379 }],
    ['redis://[::1]:6380/2', { host: '::1', port: 6380, db: 2 }],
    ['redis://user:a%2Fb@10.0.0.1', { host: '10.0.0.1', username: 'user', password: 'a/b' }],
    ['rediss://redis.example.org', { tls: {} }],
    [
      'redis+sentinel://:secret@a,b:26380,[::1]/main/3?sentinelPassword=p%40',
      {
        sentinels: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 26380 },
          { host: '::1', port: 26379 },
        ],
        name: 'main',
        db: 3,
        password: 'secret',
        sentinelPassword: 'p@',
      },
    ],
    ['rediss+sentinel://a/main', { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }],
  ])('of %s', (redisUrl, expected) => {
    expect(redisConnection({ redisUrl })).toMatchObject(expected);
  });

  it('of a cluster begins at its nodes', () => {
    const config = { redisUrl: 'rediss+cluster://user:secret@a:7000,b' };
    const client = createRedis(config, { lazyConnect: true, commandTimeout: 5 });
    expect(isRedisCluster(config)).toBe(true);
    expect(client.options).toMatchObject({
      lazyConnect: true,
      redisOptions: { username: 'user', password: 'secret', tls: {}, commandTimeout: 5 },
    });
    client.disconnect();
  });

  it.each([
    'redis+sentinel://a,b',
    'redis+sentinel://a/',
    'redis+cluster://a/1',
    'redis+cluster:///',
    'redis://a,b',
    'redis://a?sentinelPassword=x',
    'redis+cluster://a:70000',
    'redis+proxy://a',
  ])('is refused for %s', (url) => {
    expect(readRedisUrl(url)).toBeNull();
  });
});
