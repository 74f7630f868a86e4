import { BullModule, InjectQueue } from '@nestjs/bull';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  Optional,
} from '@nestjs/common';
import type { JobOptions, Queue } from 'bull';
import type { Cluster, Redis } from 'ioredis';
import { settlesWithin, withTimeout, WorkPermit } from '../concurrency.js';
import { AppConfig } from '../config/config.js';
import { errorMessage, errorStack } from '../errors.js';
import {
  clusterClientFactory,
  ignoreWorkerNameErrors,
  isRedisCluster,
  redisConnection,
} from './redis-client.js';

/** How soon a consumer that could not start tries again. */
const START_AGAIN_AFTER_MS = 2_000;
/** A fault that lasts is reported again well within this time, so one that is not has ended. */
const FAULT_STANDS_MS = 3 * START_AGAIN_AFTER_MS;

/** What keeps this process from consuming its queues although Redis answers, such as a permission that its user lacks. */
@Injectable()
export class QueueFaults {
  private readonly logger = new Logger(QueueFaults.name);
  private readonly faults = new Map<string, { reason: string; at: number }>();

  /** Logged once for as long as it lasts, because it is reported with every attempt. */
  report(queue: string, error: unknown): void {
    const reason = errorMessage(error);
    if (this.standing(queue)?.reason !== reason) {
      this.logger.error({
        message: `the queue "${queue}" is not consumed; this process tries again`,
        error: reason,
      });
    }
    this.faults.set(queue, { reason, at: performance.now() });
  }

  /** A sentence per queue. */
  get current(): string[] {
    return [...this.faults.keys()].flatMap((queue) => {
      const fault = this.standing(queue);
      return fault === undefined ? [] : [`${queue} is not consumed: ${fault.reason}`];
    });
  }

  private standing(queue: string): { reason: string } | undefined {
    const fault = this.faults.get(queue);
    return fault !== undefined && performance.now() - fault.at < FAULT_STANDS_MS ? fault : undefined;
  }
}

/** Whether Redis refused a command of this user. Other errors of the connection are those of the check of Redis. */
function isRefusal(error: unknown): boolean {
  return /^(NOPERM|NOAUTH|WRONGPASS)\b/.test(errorMessage(error));
}

/** What Bull remembers of a start. */
interface BullStart {
  handlers: Record<string, unknown>;
  _initializingProcess: Promise<unknown> | undefined;
  registeredEvents: Record<string, unknown> | undefined;
}

/** Bull would answer every further start with the failure of the first one, and refuse its handler as a second one. */
function forgetFailedStart<Job>(queue: Queue<Job>): void {
  const start = queue as unknown as BullStart;
  start.handlers = {};
  start._initializingProcess = undefined;
  delete start.registeredEvents?.delayed;
}

/**
 * The Bull queues. A job carries only ids: PostgreSQL is the source of truth, and Redis only wakes workers up (ADR 1).
 */
export const CHUNK_QUEUE = 'import-chunks';
export const NOTIFICATION_QUEUE = 'notifications';
export const BEHAVIOR_QUEUE = 'behaviors';
export const WEBHOOK_QUEUE = 'webhooks';

/** One job = one chunk of one batch. */
export interface ChunkJob {
  batchId: number;
  chunkNumber: number;
}

/** A message of the outbox; in the webhook queue it stands for the next message to the same host. */
export interface DeliveryJob {
  messageId: number;
  /** Jobs of earlier versions lack it; each of their queues had one kind. */
  kind?: string;
}

/** How long a call waits for Redis. Wake-ups that do not reach Redis are found in PostgreSQL later. */
export const REDIS_LIMIT_MS = 1_000;

const NOT_CONNECTED: readonly string[] = ['reconnecting', 'close', 'end'];

/** A client without a connection keeps commands in memory until it has one. */
export function isConnected(queue: Queue): boolean {
  return !NOT_CONNECTED.includes(queue.client.status);
}

export interface WakeUp<Job> {
  job: Job;
  /**
   * Bull ignores an `add` whose job id still exists, even for a job that has long been completed. Set an id only where
   * the same wake-up is repeated, and change the id when that wake-up must get through.
   */
  jobId?: string;
  delayMs?: number;
}

/** Adds jobs to a queue in Redis, which may be away: never throws and never takes long. */
export async function addWakeUps<Job>(
  queue: Queue<Job>,
  wakeUps: readonly WakeUp<Job>[],
  logger: Logger,
): Promise<void> {
  if (wakeUps.length === 0 || !isConnected(queue)) return;
  const jobs = wakeUps.map(({ job, jobId, delayMs }) => ({
    data: job,
    opts: { ...(jobId !== undefined && { jobId }), delay: delayMs ?? 0 } satisfies JobOptions,
  }));
  try {
    await withTimeout(REDIS_LIMIT_MS, queue.addBulk(jobs));
  } catch (error) {
    logger.warn({ message: 'jobs wait until the reconciler finds them: Redis', error: errorMessage(error) });
  }
}

/** Counted from the beginning of the stop, which may take 30 s; the rest is for rolling back. */
const FINISH_WITHIN_MS = 25_000;
/** Pausing reopens a Redis connection, which takes long while Redis is away. Counted from the same moment. */
const PAUSE_WITHIN_MS = 2_000;

export interface QueueConsumerOptions {
  /** The most jobs of this process at a time. */
  concurrency: number;
  /** The log message for a failed job. */
  failure: string;
}

/**
 * Takes jobs from a queue, and stops in an orderly way. A job carries only ids, and the handler's service does the
 * work.
 */
export abstract class QueueConsumer<Job extends object>
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  protected readonly logger = new Logger(this.constructor.name);
  private readonly running = new Set<Promise<unknown>>();
  private readonly stop = new AbortController();
  private stoppingSince: number | undefined;
  private paused: Promise<void> = Promise.resolve();
  private consuming = false;

  @Optional() @Inject(WorkPermit) private readonly permit: WorkPermit | undefined;
  @Optional() @Inject(QueueFaults) private readonly faults: QueueFaults | undefined;

  constructor(
    private readonly queue: Queue<Job>,
    private readonly options: QueueConsumerOptions,
  ) {}

  /** @param stop aborted when the job takes longer than the process may take to stop */
  protected abstract handle(job: Job, stop: AbortSignal): Promise<unknown>;

  /** Replaces `@Process`, which would begin before every module is ready and leave its rejection unhandled. */
  onApplicationBootstrap(): void {
    this.queue.on('error', (error) => {
      if (isRefusal(error)) this.faults?.report(this.queue.name, error);
    });
    this.permit?.onChange((permitted) => (permitted ? this.consume() : this.rest()));
    if (this.permit?.permitted !== false) this.consume();
  }

  /** Takes no new jobs from here on. Not awaited: Bull waits for Redis, which may be away. */
  onModuleDestroy(): void {
    if (this.isStopping) return;
    this.stoppingSince = performance.now();
    this.paused = this.queue.pause(true, true).catch(() => undefined);
  }

  /** Finishes the current jobs, or aborts them so that another worker repeats them. */
  async beforeApplicationShutdown(): Promise<void> {
    const finished = Promise.allSettled(this.running);
    if (!(await settlesWithin(this.timeLeft(FINISH_WITHIN_MS), finished))) {
      this.logger.warn({ message: 'jobs are handed back unfinished', jobs: this.running.size });
      this.stop.abort(new Error('the worker stops'));
      await this.breakOff();
      await finished;
    }
    // Bull would reopen the connection that it is about to close next.
    await settlesWithin(this.timeLeft(PAUSE_WITHIN_MS), this.paused);
  }

  /** Ends the jobs that ignore their signal. */
  protected breakOff(): Promise<void> {
    return Promise.resolve();
  }

  private consume(): void {
    if (this.isStopping) return;
    const begun = this.consuming
      ? this.queue.resume(true)
      : this.queue.process(this.options.concurrency, ({ data }) => this.run(data));
    this.consuming = true;
    begun.catch((error: unknown) => this.beginAgain(error));
  }

  private beginAgain(error: unknown): void {
    if (this.isStopping) return;
    this.faults?.report(this.queue.name, error);
    forgetFailedStart(this.queue);
    this.consuming = false;
    const timer = setTimeout(() => {
      if (this.permit?.permitted !== false) this.consume();
    }, START_AGAIN_AFTER_MS);
    timer.unref();
  }

  /** This process stops taking jobs; other processes continue. */
  private rest(): void {
    if (this.consuming && !this.isStopping) this.queue.pause(true, true).catch(() => undefined);
  }

  private get isStopping(): boolean {
    return this.stoppingSince !== undefined;
  }

  /** Consumers stop one after the other and share the time. */
  private timeLeft(limitMs: number): number {
    const begun = this.stoppingSince ?? performance.now();
    return Math.max(0, begun + limitMs - performance.now());
  }

  private async run(job: Job): Promise<unknown> {
    if (this.isStopping || this.permit?.permitted === false) {
      throw new Error('this worker takes no jobs now; this one is left to another');
    }
    const work = this.handle(job, this.stop.signal);
    this.running.add(work);
    try {
      return await work;
    } catch (error) {
      this.logger.error({ message: this.options.failure, ...job }, errorStack(error));
      throw error;
    } finally {
      this.running.delete(work);
    }
  }
}

ignoreWorkerNameErrors();

/** Bull creates the clients of a cluster with a function, and leaves it to us to end them. */
const clusterClients: Cluster[] = [];

function redisOf(config: AppConfig) {
  if (!isRedisCluster(config)) return { redis: redisConnection(config) };
  const create = clusterClientFactory(config);
  return {
    createClient: (type: string) => {
      const client = create(type);
      clusterClients.push(client);
      // Bull shows the errors of the queue; without a listener ioredis prints each of them.
      client.on('error', () => undefined);
      return client as unknown as Redis;
    },
  };
}

/** Requests within this time share an answer of Redis. */
const PAUSES_SERVE_MS = 2_000;

/** How long an answer waits for Redis, before it says what was known before. */
const SOON_MS = 200;

/** Which queues a person has paused. */
@Injectable()
export class QueuePauses {
  private known: readonly string[] = [];
  private readAt = -Infinity;
  private reading: Promise<readonly string[] | null> | undefined;

  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
  ) {}

  /** The names of the paused queues, as Redis last stated them. */
  get lastKnown(): readonly string[] {
    return this.known;
  }

  /** The names of the paused queues; `null` while Redis does not answer. At most as old as `PAUSES_SERVE_MS`. */
  read(): Promise<readonly string[] | null> {
    if (performance.now() - this.readAt < PAUSES_SERVE_MS) return Promise.resolve(this.known);
    this.reading ??= this.ask().finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** Brings `lastKnown` up to date, unless Redis is slow: a page or an answer does not wait for it. */
  async readSoon(): Promise<void> {
    await settlesWithin(SOON_MS, this.read());
  }

  /** Lets the queue go on. Answers whether there is such a queue. */
  async resume(name: string): Promise<boolean> {
    const queue = this.queues.find((each) => each.name === name);
    if (queue === undefined) return false;
    await withTimeout(REDIS_LIMIT_MS, queue.resume());
    this.readAt = -Infinity;
    return true;
  }

  private get queues(): readonly Queue[] {
    return [this.chunks, this.notifications, this.behaviors, this.webhooks];
  }

  private async ask(): Promise<readonly string[] | null> {
    if (!this.queues.every(isConnected)) return null;
    try {
      const paused = await withTimeout(
        REDIS_LIMIT_MS,
        Promise.all(this.queues.map(async (queue) => ((await queue.isPaused()) ? queue.name : null))),
      );
      this.known = paused.filter((name) => name !== null);
      this.readAt = performance.now();
      return this.known;
    } catch {
      return null;
    }
  }
}

/** Registers the Bull queues (ADR 21). Import it where a queue is injected. */
@Module({
  imports: [
    BullModule.forRootAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        prefix: config.queuePrefix,
        ...redisOf(config),
        // Without it, a consumer would pause for 5 s after a Redis that lost its jobs.
        settings: { retryProcessDelay: 250 },
        // Redis keeps no data that PostgreSQL has, so its size does not grow with the number of imports.
        defaultJobOptions: { removeOnComplete: 100, removeOnFail: 1000 },
      }),
    }),
    BullModule.registerQueue(
      { name: BEHAVIOR_QUEUE },
      { name: CHUNK_QUEUE },
      { name: NOTIFICATION_QUEUE },
      { name: WEBHOOK_QUEUE },
    ),
  ],
  providers: [QueueFaults, QueuePauses],
  exports: [BullModule, QueueFaults, QueuePauses],
})
export class QueueModule implements BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
  ) {}

  /** When closing, Bull waits for a connection that it never had: a process could not stop while Redis is away. */
  beforeApplicationShutdown(): void {
    for (const { client } of [this.behaviors, this.chunks, this.notifications, this.webhooks]) {
      if (client.status !== 'ready') client.disconnect();
    }
  }

  onApplicationShutdown(): void {
    for (const client of clusterClients.splice(0)) client.disconnect();
  }
}
