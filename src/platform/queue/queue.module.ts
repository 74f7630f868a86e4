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
        // After a Redis that lost its jobs a consumer would stand still for 5 s.
        settings: { retryProcessDelay: 250 },
        // Nothing is kept in Redis that PostgreSQL knows: its size does not grow with what was imported.
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

  /** Closing, Bull waits for a connection it never had: a process could not stop while Redis is away. */
  beforeApplicationShutdown(): void {
    for (const { client } of [this.behaviors, this.chunks, this.notifications, this.webhooks]) {
      if (client.status !== 'ready') client.disconnect();
    }
  }
}
