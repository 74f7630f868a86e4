import { redisConnection } from './queues.js';

describe('the connection to Redis', () => {
  /** Break it: take the host as the URL has it; leave the password encoded. */
  it.each([
    [undefined, { host: '127.0.0.1', port: 6379 }],
    ['redis://redis.example.org', { host: 'redis.example.org', port: 6379 }],
    ['redis://[::1]:6380/2', { host: '::1', port: 6380, db: 2 }],
    ['redis://user:a%2Fb@10.0.0.1', { host: '10.0.0.1', username: 'user', password: 'a/b' }],
    ['rediss://redis.example.org', { tls: {} }],
  ])('of %s', (redisUrl, expected) => {
    expect(redisConnection({ redisUrl })).toMatchObject(expected);
  });
});
