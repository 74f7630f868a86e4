import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import { InjectQueue } from '@nestjs/bull';
import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import type { Queue } from 'bull';
import type { RequestHandler } from 'express';
import { AuthModule } from '../auth/auth.module.js';
import { DashboardAccess } from './dashboard-access.js';
import { DashboardPage } from './dashboard-page.js';
import { QueueModule } from './queue.module.js';
import { BEHAVIOR_QUEUE, CHUNK_QUEUE, NOTIFICATION_QUEUE, WEBHOOK_QUEUE } from './queues.js';

const PATH = '/queues';

/**
 * bull-board. Not read-only: PostgreSQL is the truth and jobs are wake-ups with ids in them, so retrying, promoting
 * or removing one can neither do work twice nor lose it (the reconciler makes again what is missing), and an
 * operator who looks at a failed job wants to retry it.
 */
@Module({ imports: [AuthModule, QueueModule], providers: [DashboardAccess] })
export class DashboardModule implements NestModule {
  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
  ) {}

  configure(consumer: MiddlewareConsumer): void {
    const serverAdapter = new DashboardPage().setBasePath(PATH);
    createBullBoard({
      serverAdapter,
      queues: [
        new BullAdapter(this.chunks, {
          description: 'One job = one chunk of a batch',
        }),
        new BullAdapter(this.notifications, {
          description: 'One job = one mail',
        }),
        new BullAdapter(this.behaviors, {
          description: 'One job = one mail of a record',
        }),
        new BullAdapter(this.webhooks, {
          description: 'One job = the next webhook to a host',
        }),
      ],
      options: { uiConfig: { boardTitle: 'Workflow Import Queue', hideDocsLink: true } },
    });
    consumer.apply(DashboardAccess, serverAdapter.getRouter() as RequestHandler).forRoutes(PATH);
  }
}
