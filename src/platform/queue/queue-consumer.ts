import {
  type BeforeApplicationShutdown,
  Inject,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  Optional,
} from '@nestjs/common';
import type { Queue } from 'bull';
import { settlesWithin } from '../concurrency.js';
import { errorStack } from '../errors.js';
import { WorkPermit } from '../work-permit.js';

/** Counted from the beginning of the stop, which may take 30 s; the rest is for rolling back. */
const FINISH_WITHIN_MS = 25_000;
/** Pausing renews a Redis connection, which takes long while Redis is away. Counted like the time above. */
const PAUSE_WITHIN_MS = 2_000;

export interface QueueConsumerOptions {
  /** Jobs of this process at a time. */
  concurrency: number;
  /** What the log says of a job that failed. */
  failure: string;
}

/** Takes jobs from a queue, and stops in order. A job carries ids only: what matters is in the handler's service. */
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

  constructor(
    private readonly queue: Queue<Job>,
    private readonly options: QueueConsumerOptions,
  ) {}

  /** @param stop is aborted when the job takes longer than the stop of the process may */
  protected abstract handle(job: Job, stop: AbortSignal): Promise<unknown>;

  /** Not `@Process`: it would begin before every module is ready, and its rejection would be unhandled. */
  onApplicationBootstrap(): void {
    this.permit?.onChange((permitted) => (permitted ? this.consume() : this.rest()));
    if (this.permit?.permitted !== false) this.consume();
  }

  /** No new job from here on. Not awaited: Bull waits for Redis, which may be away. */
  onModuleDestroy(): void {
    if (this.isStopping) return;
    this.stoppingSince = performance.now();
    this.paused = this.queue.pause(true, true).catch(() => undefined);
  }

  /** The jobs at hand are finished, or broken off so that another worker repeats them. */
  async beforeApplicationShutdown(): Promise<void> {
    const finished = Promise.allSettled(this.running);
    if (!(await settlesWithin(this.timeLeft(FINISH_WITHIN_MS), finished))) {
      this.logger.warn({ message: 'jobs are handed back unfinished', jobs: this.running.size });
      this.stop.abort(new Error('the worker stops'));
      await this.breakOff();
      await finished;
    }
    // Bull would open the connection again that it is about to close next.
    await settlesWithin(this.timeLeft(PAUSE_WITHIN_MS), this.paused);
  }

  /** Ends the jobs that do not listen to their signal. */
  protected breakOff(): Promise<void> {
    return Promise.resolve();
  }

  private consume(): void {
    if (this.isStopping) return;
    const begun = this.consuming
      ? this.queue.resume(true)
      : this.queue.process(this.options.concurrency, ({ data }) => this.run(data));
    this.consuming = true;
    begun.catch((error: unknown) => {
      if (this.isStopping) return;
      this.logger.error({ message: `the queue "${this.queue.name}" is not consumed` }, errorStack(error));
    });
  }

  /** This process takes no jobs, and others do. */
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
