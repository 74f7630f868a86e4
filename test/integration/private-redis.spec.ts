import { Redis } from 'ioredis';
import { PrivateRedis } from '../support/private-redis.js';

describe("a test file's own Redis", () => {
  it('keeps its content while it is down, and loses it when flushed', async () => {
    const redis = await PrivateRedis.start();
    const client = new Redis(redis.url);
    client.on('error', () => undefined);
    try {
      await client.set('key', 'value');
      await redis.down();
      await redis.up();
      expect(await client.get('key')).toBe('value');
      await redis.flushAll();
      expect(await client.get('key')).toBeNull();
    } finally {
      client.disconnect();
      await redis.stop();
    }
  });
});
