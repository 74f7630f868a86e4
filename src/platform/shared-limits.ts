import { randomUUID } from 'node:crypto';
import {
  type BeforeApplicationShutdown,
  Global,
  Injectable,
  Logger,
  Module,
  type OnModuleDestroy,
} from '@nestjs/common';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { BoundedMap } from './concurrency.js';
import { AppConfig } from './config/config.js';
import { createRedis, type RedisClient } from './queue/redis-client.js';

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
  limit: number;
  remaining: number;
  /** Until the window ends. */
  seconds: number;
}

/** After this time without an answer, the process counts on its own. */
const REDIS_LIMIT_MS = 500;
/** For this long after a failure, Redis is not asked, so that calls do not wait one after the other for a frozen one. */
const REST_MS = 5_000;

/**
 * Creates limits that all processes count together, in Redis. While Redis is away, each process counts in its own
 * memory: N processes then allow N times as much, which is still bounded, and no request waits for Redis.
 * Why: ADR 16.
 */
@Injectable()
export class SharedLimits implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger(SharedLimits.name);
  private client: RedisClient | undefined;
  private readonly slots: SharedSlots[] = [];

  constructor(private readonly config: AppConfig) {}

  limit(rule: LimitRule): SharedLimit {
    const options = {
      keyPrefix: `${this.config.queuePrefix}:limit:${rule.name}`,
      points: rule.points,
      duration: rule.windowSeconds,
    };
    const storeClient = this.connection();
    const redis = new RateLimiterRedis({ ...options, storeClient, rejectIfRedisNotReady: true });
    return new SharedLimit(redis, new RateLimiterMemory(options));
  }

  /** At most `count` holders per source at a time. */
  slotsOf(name: string, count: number): SharedSlots {
    const slots = new SharedSlots(this.connection(), `${this.config.queuePrefix}:slots:${name}`, count);
    this.slots.push(slots);
    return slots;
  }

  /** A rate per source, which all processes share. */
  paceOf(name: string): SharedPace {
    return new SharedPace(this.connection(), `${this.config.queuePrefix}:pace:${name}`);
  }

  private connection(): RedisClient {
    if (this.client !== undefined) return this.client;
    const client = createRedis(this.config, {
      commandTimeout: REDIS_LIMIT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    });
    client.on('error', (error: Error) => this.logger.debug(`Redis: ${error.message}`));
    this.client = client;
    return client;
  }

  onModuleDestroy(): void {
    for (const slots of this.slots) slots.stop();
  }

  beforeApplicationShutdown(): void {
    this.client?.disconnect();
  }
}

/** Remembers failures of Redis. */
class Availability {
  private restsUntil = -Infinity;

  get isResting(): boolean {
    return performance.now() < this.restsUntil;
  }

  rest(): void {
    this.restsUntil = performance.now() + REST_MS;
  }
}

type Limiter = Pick<RateLimiterRedis, 'consume' | 'reward' | 'delete' | 'points'>;

/** One limit, counted per source. */
export class SharedLimit {
  private readonly redis = new Availability();

  /** @param ownCount counts while the shared one fails */
  constructor(
    private readonly shared: Limiter,
    private readonly ownCount: Limiter = shared,
  ) {}

  /** Consumes points. Windows are fixed: further attempts do not extend them. */
  async take(source: string, points = 1): Promise<LimitState> {
    const limit = this.shared.points;
    try {
      const result = await this.ask((limiter) => limiter.consume(source, points));
      return { allowed: true, limit, ...stateOf(result) };
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return { allowed: false, limit, ...stateOf(refusal) };
      throw refusal;
    }
  }

  /** Gives one point back. */
  async giveBack(source: string): Promise<void> {
    await this.ask((limiter) => limiter.reward(source));
  }

  /** Forgets the source. */
  async forget(source: string): Promise<void> {
    await this.ask((limiter) => limiter.delete(source));
  }

  private async ask<Answer>(question: (limiter: Limiter) => Promise<Answer>): Promise<Answer> {
    if (!this.redis.isResting) {
      try {
        return await question(this.shared);
      } catch (error) {
        if (error instanceof RateLimiterRes) throw error;
        this.redis.rest();
      }
    }
    return question(this.ownCount);
  }
}

const stateOf = ({ remainingPoints, msBeforeNext }: RateLimiterRes) => ({
  remaining: remainingPoints,
  seconds: Math.max(1, Math.ceil(msBeforeNext / 1000)),
});

/** A slot of a process that died is free after this long. */
const LEASE_MS = 30_000;

/**
 * Holders are members of a sorted set, whose scores are the times at which their leases end. The clock is that of Redis.
 * KEYS: the set. ARGV: the holder, the lease in ms, the most holders.
 */
const TAKE = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`;

/** Also brings holders back that a Redis without its data has forgotten. ARGV: the lease in ms, the holders. */
const RENEW = `
  local time = redis.call('TIME')
  local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
  for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
  redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

/**
 * Reserves the next point in time; answers how many milliseconds away it is. The clock is that of Redis.
 * KEYS: the time of the next one, in microseconds. ARGV: the microseconds between two.
 */
const RESERVE = `
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
  local following = at + tonumber(ARGV[1])
  redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000) + 1000)
  return math.ceil((at - now) / 1000)`;

/** Spaces events evenly, over all processes. While Redis is away, each process spaces its own. */
export class SharedPace {
  private readonly redis = new Availability();
  private readonly own = new BoundedMap<string, number>(1_000);

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** Reserves the next event of the source; returns how many milliseconds to wait for it. */
  async reserve(source: string, perSecond: number): Promise<number> {
    if (this.client.status === 'ready' && !this.redis.isResting) {
      try {
        const between = Math.ceil(1_000_000 / perSecond);
        return Number(await this.client.eval(RESERVE, 1, `${this.prefix}:${source}`, between));
      } catch {
        this.redis.rest();
      }
    }
    const now = performance.now();
    const at = Math.max(now, this.own.get(source) ?? 0);
    this.own.set(source, at + 1_000 / perSecond);
    return at - now;
  }
}

/** Places that all processes share, a number of them per source. */
export class SharedSlots {
  private readonly held = new Map<string, Set<string>>();
  private readonly redis = new Availability();
  private readonly renewal: NodeJS.Timeout;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    readonly limit: number,
  ) {
    this.renewal = setInterval(() => void this.renew(), LEASE_MS / 3).unref();
  }

  /**
   * Takes a slot of the source; returns the function that gives it back, or `null` if all are taken.
   * @param limit of this source, if sources have limits of their own
   */
  async take(source: string, limit: number = this.limit): Promise<(() => void) | null> {
    const holder = randomUUID();
    const own = this.held.get(source) ?? new Set();
    if (own.size >= limit) return null;
    own.add(holder);
    this.held.set(source, own);
    if (await this.isTaken(source, holder, limit)) return () => this.giveBack(source, holder);
    this.giveBack(source, holder);
    return null;
  }

  stop(): void {
    clearInterval(this.renewal);
  }

  private async isTaken(source: string, holder: string, limit: number): Promise<boolean> {
    const answer = await this.ask(() =>
      this.client.eval(TAKE, 1, this.keyOf(source), holder, LEASE_MS, limit),
    );
    return answer !== 0;
  }

  private giveBack(source: string, holder: string): void {
    const own = this.held.get(source);
    own?.delete(holder);
    if (own?.size === 0) this.held.delete(source);
    void this.ask(() => this.client.zrem(this.keyOf(source), holder));
  }

  private async renew(): Promise<void> {
    for (const [source, holders] of this.held) {
      await this.ask(() => this.client.eval(RENEW, 1, this.keyOf(source), LEASE_MS, ...holders));
    }
  }

  /** `undefined` while Redis is away: the process then counts only its own holders. */
  private async ask(question: () => Promise<unknown>): Promise<unknown> {
    if (this.client.status !== 'ready' || this.redis.isResting) return undefined;
    try {
      return await question();
    } catch {
      this.redis.rest();
      return undefined;
    }
  }

  private keyOf(source: string): string {
    return `${this.prefix}:${source}`;
  }
}

@Global()
@Module({ providers: [SharedLimits], exports: [SharedLimits] })
export class SharedLimitsModule {}
