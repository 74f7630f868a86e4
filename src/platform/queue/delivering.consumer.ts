import { setTimeout as delay } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { Queue } from 'bull';

/** Of the 30 s a stop may take. */
const FINISH_WITHIN_MS = 20_000;

/** Takes wake-ups from a queue of what is to be delivered, and stops in order. What matters is in the sender. */
export abstract class DeliveringConsumer<Job extends object>
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly logger = new Logger(this.constructor.name);
  private readonly running = new Set<Promise<unknown>>();
  private readonly stop = new AbortController();
  private stopping = false;

  constructor(
    private readonly queue: Queue<Job>,
    /** Deliveries of one process at a time: enough that a slow receiver does not keep the others waiting. */
    private readonly concurrency: number,
  ) {}

  /** @param stop breaks the delivery off; it is then tried again */
  protected abstract deliver(job: Job, stop: AbortSignal): Promise<unknown>;

  /** Not `@Process`: it would begin before every module is ready, and leave it unhandled when Redis is away. */
  onApplicationBootstrap(): void {
    this.queue
      .process(this.concurrency, ({ data }) => this.handle(data))
      .catch((error: unknown) => {
        if (this.stopping) return;
        this.logger.error({ message: `the queue "${this.queue.name}" is not consumed` }, stackOf(error));
      });
  }

  /** Nothing new from here on. Not awaited: Redis may be away, and Bull then waits for it. */
  onModuleDestroy(): void {
    this.stopping = true;
    this.queue.pause(true, true).catch(() => undefined);
  }

  /** What is at hand is delivered; what a receiver does not take in time is tried again by another worker. */
  async beforeApplicationShutdown(): Promise<void> {
    const patience = new AbortController();
    const finished = Promise.allSettled(this.running).then(() => patience.abort());
    await delay(FINISH_WITHIN_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    this.stop.abort(new Error('the worker stops'));
    await finished;
  }

  private async handle(job: Job): Promise<unknown> {
    if (this.stopping) throw new Error('the worker stops; this is left to another');
    const delivery = this.deliver(job, this.stop.signal);
    this.running.add(delivery);
    try {
      return await delivery;
    } catch (error) {
      this.logger.error(
        { message: 'what is to be delivered could not be looked up', ...job },
        stackOf(error),
      );
      throw error;
    } finally {
      this.running.delete(delivery);
    }
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : String(error);
}
