import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ChildServer, freePort } from '../../dev/embedded/child-server.js';
import { findRedisServer, redisProgram, type RedisSettings, redisUrl } from '../../dev/embedded/redis.js';

/** A throw-away Redis of one test file's own, for what must not be done to the one that all share. */
export class PrivateRedis {
  private server: ChildServer | undefined;

  private constructor(private readonly settings: RedisSettings) {}

  static async start(): Promise<PrivateRedis> {
    const redis = new PrivateRedis({
      command: await findRedisServer(),
      directory: await mkdtemp(join(tmpdir(), 'wiq-redis-')),
      port: await freePort(),
      password: randomBytes(9).toString('base64url'),
    });
    await redis.up();
    return redis;
  }

  /** For REDIS_URL; stays the same while the server is down and up again. */
  get url(): string {
    return redisUrl(this.settings);
  }

  /** Everything in it is lost. */
  async flushAll(): Promise<void> {
    const client = new Redis(this.url);
    await client.flushall();
    client.disconnect();
  }

  /** Changes a setting of the running server. */
  async configure(name: string, value: string): Promise<void> {
    const client = new Redis(this.url);
    await client.config('SET', name, value);
    client.disconnect();
  }

  /** Shuts it down; what it holds is kept in its append-only file. */
  async down(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    await server?.stop();
  }

  /** Stops it from answering, with its connections open, and returns what lets it go on. */
  async freeze(): Promise<() => void> {
    const client = new Redis(this.url);
    const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
    client.disconnect();
    process.kill(pid, 'SIGSTOP');
    return () => void process.kill(pid, 'SIGCONT');
  }

  /** Starts it again, on the port and with the content it had. */
  async up(): Promise<void> {
    this.server = new ChildServer(redisProgram(this.settings));
    await this.server.start();
  }

  /** Ends it for good and removes its files. */
  async stop(): Promise<void> {
    await this.down();
    await rm(this.settings.directory, { recursive: true });
  }
}
