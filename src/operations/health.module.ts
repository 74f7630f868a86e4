import {
  Controller,
  Get,
  Header,
  Injectable,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { PublicRoute } from '../auth/access.js';
import { withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { SchemaFit } from '../platform/database/installation.js';
import { DomainError, errorMessage } from '../platform/errors.js';
import { choice, objectOf, refTo, type Schema, TEXT } from '../platform/http/answer-schemas.js';
import { QueueFaults } from '../platform/queue/queues.js';
import { QueueModule, QueuePauses } from '../platform/queue/queues.js';
import { createRedis, type RedisClient } from '../platform/queue/redis-client.js';

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

/** Throws an error with a sentence for operators when PostgreSQL cannot serve this process. */
@Injectable()
class PostgresCheck {
  constructor(
    private readonly database: DatabaseService,
    private readonly schema: SchemaFit,
  ) {}

  /**
   * Uses the pool, not a separate connection: a process whose connections are all in use cannot serve a call either. It
   * writes nothing, because PostgreSQL itself reports whether it accepts writes.
   */
  async writable(): Promise<void> {
    const { rows } = await this.database.query<{ writable: boolean }>(
      `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`,
    );
    if (rows[0]?.writable !== true) throw new Error('answers, but takes no writes');
  }

  /** Passes also when the schema is newer than this program can work with. */
  async migrated(): Promise<void> {
    const misfit = await this.schema.check();
    if (misfit !== null) throw new Error(misfit);
  }
}

const KEY_LIFETIME_MS = 10_000;
/** An installation that has not been seen for this long is taken for gone. Probes of a running one come more often. */
const INSTALLATION_LIFETIME_MS = 3600_000;

/** Writes to Redis on its own connection, because those of Bull queue commands without limit while Redis is away. */
@Injectable()
class RedisCheck implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RedisCheck.name);
  private readonly client: RedisClient;

  constructor(private readonly config: AppConfig) {
    this.client = createRedis(config, {
      lazyConnect: true,
      connectTimeout: 2000,
      maxRetriesPerRequest: 1,
      retryStrategy: () => 1000,
    });
    // Without a listener, ioredis prints every failed attempt; the check itself reports the error.
    this.client.on('error', () => undefined);
  }

  onModuleInit(): void {
    this.client
      .connect()
      .then(() => this.warnOfOthers())
      .catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.client.disconnect();
  }

  /** A write, because a full or read-only Redis still answers PING. */
  async writable(): Promise<void> {
    await this.client.set(`${this.config.queuePrefix}:health`, process.pid, 'PX', KEY_LIFETIME_MS);
    await this.noteInstallation();
  }

  /** `createApp` appends the id of the installation to the prefix that is configured. */
  private get names(): { installations: string; own: string } {
    const { queuePrefix } = this.config;
    const end = queuePrefix.lastIndexOf(':');
    return { installations: `${queuePrefix.slice(0, end)}:installations`, own: queuePrefix.slice(end + 1) };
  }

  private async noteInstallation(): Promise<void> {
    const { installations, own } = this.names;
    await this.client.zadd(installations, Date.now(), own);
  }

  /** Each installation takes its own jobs only, but they share the memory of Redis and whatever happens to it. */
  private async warnOfOthers(): Promise<void> {
    const { installations, own } = this.names;
    await this.client.zremrangebyscore(installations, 0, Date.now() - INSTALLATION_LIFETIME_MS);
    await this.noteInstallation();
    const others = (await this.client.zrange(installations, 0, -1)).filter((id) => id !== own);
    if (others.length === 0) return;
    this.logger.warn(
      `Another installation (${others.join(', ')}) uses this Redis with the same QUEUE_PREFIX. Both work, but give each a QUEUE_PREFIX or a Redis of its own.`,
    );
  }
}

const BOUND_MS = 3000;

interface CheckResult {
  /** `degraded`: not usable, but this process serves its calls without it. */
  status: 'up' | 'degraded' | 'down';
  /** Why it is not up. */
  reason?: string;
}

interface ReadinessReport {
  /** The worst of the checks: `degraded` still serves calls, `down` does not. */
  status: CheckResult['status'];
  checks: Record<'process' | 'postgres' | 'migrations' | 'redis' | 'queues', CheckResult>;
}

/**
 * Whether this process can serve calls. Without Redis, the API still answers every call and accepts batches, which wait
 * until Redis is back; removing the API from a load balancer would turn that into an outage. A process that works only
 * through the queue has nothing to do.
 */
@Injectable()
class Readiness {
  constructor(
    private readonly shutdown: ShutdownState,
    private readonly postgres: PostgresCheck,
    private readonly redis: RedisCheck,
    private readonly pauses: QueuePauses,
    private readonly faults: QueueFaults,
    private readonly config: AppConfig,
  ) {}

  /** All checks run at once, each within a time limit, so that a server that hangs does not make the probe hang. */
  async report(): Promise<ReadinessReport> {
    const withoutQueues = this.config.role === 'worker' ? 'down' : 'degraded';
    const isConsumed = this.faults.current.length === 0;
    const [postgres, migrations, redis, queues] = await Promise.all([
      resultOf(this.postgres.writable()),
      resultOf(this.postgres.migrated()),
      resultOf(this.redis.writable(), withoutQueues),
      resultOf(this.assertQueuesRun(), isConsumed ? 'degraded' : withoutQueues),
    ]);
    const process: CheckResult = this.shutdown.stopping
      ? { status: 'down', reason: 'is stopping' }
      : { status: 'up' };
    const checks = { process, postgres, migrations, redis, queues };
    const found = new Set(Object.values(checks).map(({ status }) => status));
    return { status: found.has('down') ? 'down' : found.has('degraded') ? 'degraded' : 'up', checks };
  }

  /** A pause is a decision of a person, and no reason to send calls elsewhere. Redis has a check of its own. */
  private async assertQueuesRun(): Promise<void> {
    const faults = this.faults.current;
    if (faults.length > 0) throw new Error(faults.join('; '));
    const paused = (await this.pauses.read()) ?? [];
    if (paused.length > 0) throw new Error(`paused: ${paused.join(', ')}`);
  }
}

async function resultOf(check: Promise<void>, failure: 'degraded' | 'down' = 'down'): Promise<CheckResult> {
  try {
    await withTimeout(BOUND_MS, check);
    return { status: 'up' };
  } catch (error) {
    return { status: failure, reason: errorMessage(error) };
  }
}

/** `degraded`: it serves calls, but Redis is away or a queue does not run. */
interface ReadyAnswer {
  status: 'ready' | 'degraded';
  checks: ReadinessReport['checks'];
}

const check = objectOf<CheckResult>({ status: choice('up', 'degraded', 'down'), reason: TEXT }, 'reason');

/** The answers of the probes. */
export const HEALTH_SCHEMAS: Readonly<Record<string, Schema>> = {
  Live: objectOf<{ status: 'live' }>({ status: choice('live') }),
  Ready: objectOf<ReadyAnswer>({
    status: choice('ready', 'degraded'),
    checks: objectOf<ReadinessReport['checks']>({
      process: check,
      postgres: check,
      migrations: check,
      redis: check,
      queues: check,
    }),
  }),
};

@ApiTags('Health')
@Controller('health')
@PublicRoute()
class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Checks nothing else: a restart of this process fixes neither PostgreSQL nor Redis. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Is the process alive?' })
  @ApiOkResponse({ description: 'It is.', schema: refTo('Live') })
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Can this process serve calls? Without Redis the API is degraded and serves on' })
  @ApiOkResponse({ description: 'It can.', schema: refTo('Ready') })
  @ApiServiceUnavailableResponse({ description: 'not_ready: `checks` states what is down, and why' })
  async ready(): Promise<ReadyAnswer> {
    const { status, checks } = await this.readiness.report();
    if (status === 'down') throw notReady(checks);
    return { status: status === 'up' ? 'ready' : 'degraded', checks };
  }
}

function notReady(checks: ReadinessReport['checks']): DomainError {
  const down = Object.entries(checks).filter(([, { status }]) => status === 'down');
  return new DomainError(
    503,
    'not_ready',
    'Not ready for calls',
    down.map(([name, { reason }]) => `${name}: ${reason}`).join('; '),
    { extensions: { checks }, headers: { 'Retry-After': '5' } },
  );
}

/** Probes for the operator of the process: every role serves them. */
@Module({
  imports: [QueueModule],
  controllers: [HealthController],
  providers: [PostgresCheck, Readiness, RedisCheck, ShutdownState],
  exports: [ShutdownState],
})
export class HealthModule {}
