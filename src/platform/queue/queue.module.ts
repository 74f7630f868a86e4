import { BullModule, InjectQueue } from '@nestjs/bull';
import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import type { Queue } from 'bull';
import { AppConfig } from '../config/config.js';
import { BEHAVIOR_QUEUE, CHUNK_QUEUE, NOTIFICATION_QUEUE, redisConnection, WEBHOOK_QUEUE } from './queues.js';
import { ignoreWorkerNameErrors } from './worker-name.js';

ignoreWorkerNameErrors();

/** Registers the Bull queues (ADR 21). Import it where a queue is injected. */
@Module({
  imports: [
    BullModule.forRootAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        prefix: config.queuePrefix,
        redis: redisConnection(config),
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
  exports: [BullModule],
})
export class QueueModule implements BeforeApplicationShutdown {
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
}
