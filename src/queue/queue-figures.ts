import { InjectQueue } from '@nestjs/bull';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bull';
import { within } from '../common/within.js';
import { BEHAVIOR_QUEUE, CHUNK_QUEUE, NOTIFICATION_QUEUE, WEBHOOK_QUEUE } from './queues.js';

const REDIS_BOUND_MS = 1_000;
const STATES = ['waiting', 'active', 'delayed', 'failed', 'paused'] as const;

export interface JobFigure {
  queue: string;
  state: string;
  count: number;
}

/** How many jobs wait in Redis. */
@Injectable()
export class QueueFigures {
  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
  ) {}

  /** `null` when Redis does not answer in time: there are no jobs to count then. */
  async jobs(): Promise<JobFigure[] | null> {
    try {
      const figures: JobFigure[] = [];
      for (const queue of [this.chunks, this.notifications, this.behaviors, this.webhooks]) {
        const counts = (await within(REDIS_BOUND_MS, queue.getJobCounts())) as unknown as Record<
          string,
          number
        >;
        figures.push(...STATES.map((state) => ({ queue: queue.name, state, count: counts[state] ?? 0 })));
      }
      return figures;
    } catch {
      return null;
    }
  }
}
