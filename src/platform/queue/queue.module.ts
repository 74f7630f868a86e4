import { BullModule, InjectQueue } from '@nestjs/bull';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Queue } from 'bull';
import type { Cluster, Redis } from 'ioredis';
import { settlesWithin, withTimeout } from '../concurrency.js';
import { AppConfig } from '../config/config.js';
import { QueueFaults } from './queue-faults.js';
import {
  BEHAVIOR_QUEUE,
  CHUNK_QUEUE,
  isConnected,
  NOTIFICATION_QUEUE,
  REDIS_LIMIT_MS,
  WEBHOOK_QUEUE,
} from './queues.js';
import { clusterClientFactory, isRedisCluster, redisConnection } from './redis-client.js';
import { ignoreWorkerNameErrors } from './worker-name.js';

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
