import { type BeforeApplicationShutdown, Global, Injectable, Logger, Module } from '@nestjs/common';
import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { AppConfig } from './config/config.js';
import { redisConnection } from './queue/queues.js';

export interface LimitRule {
  /** Part of the keys in Redis. */
  name: string;
  /** At most this many points are consumed within the window. */
  points: number;
  windowSeconds: number;
}

/** The state of one source after its last point. */
export interface LimitState {
  allowed: boolean;
  remaining: number;
  /** Until the window ends. */
  seconds: number;
}

/** After this time without an answer, the process counts on its own. */
const REDIS_LIMIT_MS = 500;

/**
 * Creates limits that all processes count together, in Redis. While Redis is away, each process counts in its own
 * memory: N processes then allow N times as much, which is still bounded, and no request waits for Redis.
 */
@Injectable()
export class SharedLimits implements BeforeApplicationShutdown {
  private readonly logger = new Logger(SharedLimits.name);
  private client: Redis | undefined;

  constructor(private readonly config: AppConfig) {}

  limit(rule: LimitRule): SharedLimit {
    const options = {
      keyPrefix: `${this.config.queuePrefix}:limit:${rule.name}`,
      points: rule.points,
      duration: rule.windowSeconds,
    };
    return new SharedLimit(
      new RateLimiterRedis({
        ...options,
        storeClient: this.connection(),
        rejectIfRedisNotReady: true,
        insuranceLimiter: new RateLimiterMemory(options),
      }),
    );
  }

  private connection(): Redis {
    if (this.client !== undefined) return this.client;
    const client = new Redis({
      ...redisConnection(this.config),
      commandTimeout: REDIS_LIMIT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    });
    client.on('error', (error: Error) => this.logger.debug(`Redis: ${error.message}`));
    this.client = client;
    return client;
  }

  beforeApplicationShutdown(): void {
    this.client?.disconnect();
  }
}

/** One limit, counted per source. */
export class SharedLimit {
  constructor(private readonly limiter: Pick<RateLimiterRedis, 'consume' | 'reward' | 'delete'>) {}

  /** Consumes one point. Windows are fixed: further attempts do not extend them. */
  async take(source: string): Promise<LimitState> {
    try {
      return { allowed: true, ...stateOf(await this.limiter.consume(source)) };
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return { allowed: false, ...stateOf(refusal) };
      throw refusal;
    }
  }

  /** Gives one point back. */
  async giveBack(source: string): Promise<void> {
    await this.limiter.reward(source);
  }

  /** Forgets the source. */
  async forget(source: string): Promise<void> {
    await this.limiter.delete(source);
  }
}

const stateOf = ({ remainingPoints, msBeforeNext }: RateLimiterRes) => ({
  remaining: remainingPoints,
  seconds: Math.max(1, Math.ceil(msBeforeNext / 1000)),
});

@Global()
@Module({ providers: [SharedLimits], exports: [SharedLimits] })
export class SharedLimitsModule {}
