import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { withTimeout } from '../../platform/concurrency.js';
import { AppConfig } from '../../platform/config/config.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { errorMessage } from '../../platform/errors.js';
import { redisConnection } from '../../platform/queue/queues.js';

/** Whether this process has begun to stop. */
@Injectable()
export class ShutdownState {
  private begun = false;

  get stopping(): boolean {
    return this.begun;
  }

  begin(): void {
    this.begun = true;
  }
}

/** Throws a sentence for operators when PostgreSQL cannot serve this process. */
@Injectable()
export class PostgresCheck {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Through the pool, not beside it: a process whose every connection is taken cannot serve a call either. Nothing
   * is written, since PostgreSQL says itself whether it would.
   */
  async writable(): Promise<void> {
    const { rows } = await this.database.query<{ writable: boolean }>(
      `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`,
    );
    if (rows[0]?.writable !== true) throw new Error('answers, but takes no writes');
  }

  async migrated(): Promise<void> {
    const { rows } = await this.database.query<{ name: string }>('SELECT name FROM schema_migration');
    const applied = new Set(rows.map(({ name }) => name));
    const known = this.database.dataSource.migrations.map(
      ({ name, constructor }) => name ?? constructor.name,
    );
    const missing = known.filter((name) => !applied.has(name));
    if (missing.length > 0) throw new Error(`not applied: ${missing.join(', ')}; run npm run migration:run`);
  }
}

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

const BOUND_MS = 3000;

export interface CheckResult {
  status: 'up' | 'down';
  /** Why it is down. */
  reason?: string;
}

export interface ReadinessReport {
  ready: boolean;
  checks: Record<'process' | 'postgres' | 'migrations' | 'redis', CheckResult>;
}

/**
 * May calls be sent to this process? Redis counts although CreateBatch would work without it: batches taken then
 * wait until it is back, and whoever operates this shall hear of that from the probe, not from the users.
 */
@Injectable()
export class Readiness {
  constructor(
    private readonly shutdown: ShutdownState,
    private readonly postgres: PostgresCheck,
    private readonly redis: RedisCheck,
  ) {}

  /** All checks at once, each within a bound: a server that hangs must not make the probe hang. */
  async report(): Promise<ReadinessReport> {
    const [postgres, migrations, redis] = await Promise.all([
      resultOf(this.postgres.writable()),
      resultOf(this.postgres.migrated()),
      resultOf(this.redis.writable()),
    ]);
    const process: CheckResult = this.shutdown.stopping
      ? { status: 'down', reason: 'is stopping' }
      : { status: 'up' };
    const checks = { process, postgres, migrations, redis };
    return { ready: Object.values(checks).every(({ status }) => status === 'up'), checks };
  }
}

async function resultOf(check: Promise<void>): Promise<CheckResult> {
  try {
    await withTimeout(BOUND_MS, check);
    return { status: 'up' };
  } catch (error) {
    return { status: 'down', reason: errorMessage(error) };
  }
}
