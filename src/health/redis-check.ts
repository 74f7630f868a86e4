import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { AppConfig } from '../config/config.js';
import { redisConnection } from '../queue/redis-connection.js';

const KEY_LIFETIME_MS = 10_000;

/**
 * Writes to Redis. On a connection of its own, since those of Bull queue commands up without end while Redis is away.
 */
@Injectable()
export class RedisCheck implements OnModuleInit, OnApplicationShutdown {
  private readonly client: Redis;

  constructor(private readonly config: AppConfig) {
    this.client = new Redis({
      ...redisConnection(config),
      lazyConnect: true,
      connectTimeout: 2000,
      maxRetriesPerRequest: 1,
      retryStrategy: () => 1000,
    });
    // Without a listener ioredis prints every failed attempt; the check itself says what is wrong.
    this.client.on('error', () => undefined);
  }

  onModuleInit(): void {
    this.client.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.client.disconnect();
  }

  /** A write, since a full or read-only Redis still answers PING. */
  async writable(): Promise<void> {
    await this.client.set(`${this.config.queuePrefix}:health`, process.pid, 'PX', KEY_LIFETIME_MS);
  }
}
