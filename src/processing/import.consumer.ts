import { setTimeout as delay } from 'node:timers/promises';
import { InjectQueue, OnQueueStalled, Processor } from '@nestjs/bull';
import {
  type BeforeApplicationShutdown,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { Job, Queue } from 'bull';
import { AppConfig } from '../platform/config/config.js';
import { publishChunkMeasurement } from '../platform/measurements.js';
import { CHUNK_QUEUE, type ChunkJob } from '../platform/queue/queues.js';
import { type ChunkRun, ChunkRunner } from './chunk-runner.js';

/** Of the 30 s a stop may take; the rest is for rolling back. */
const FINISH_WITHIN_MS = 25_000;
/** To pause, Bull renews a connection, which takes long where Redis is away. */
const PAUSE_WITHIN_MS = 2_000;

/** Takes chunks from the queue. Everything that matters is in `ChunkRunner`, which knows no queue. */
@Processor(CHUNK_QUEUE)
export class ImportConsumer implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger(ImportConsumer.name);
  private readonly running = new Set<Promise<unknown>>();
  private stopping = false;
  private paused: Promise<void> = Promise.resolve();

  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly queue: Queue<ChunkJob>,
    private readonly runner: ChunkRunner,
    private readonly config: AppConfig,
  ) {}

  /** Not `@Process`: its concurrency would have to be known when the class is loaded, before the configuration. */
  onApplicationBootstrap(): void {
    this.queue
      .process(this.config.workerConcurrency, (job: Job<ChunkJob>) => this.handleChunk(job.data))
      .catch((error: unknown) => {
        if (!this.stopping) this.logger.error({ message: 'the chunk queue is not consumed' }, stackOf(error));
      });
  }

  /** No new chunk from here on. */
  onModuleDestroy(): void {
    if (this.stopping) return;
    this.stopping = true;
    this.paused = this.queue.pause(true, true).catch(() => undefined);
  }

  /** The chunks at hand are finished, or rolled back so that another worker does them. */
  async beforeApplicationShutdown(): Promise<void> {
    const finished = Promise.allSettled(this.running);
    if (!(await settlesWithin(finished, FINISH_WITHIN_MS))) {
      this.logger.warn({ message: 'chunks are handed back unfinished', chunks: this.running.size });
      await this.runner.abandonAll();
      await finished;
    }
    // Bull would open the connection again that it is about to close next.
    await settlesWithin(this.paused, PAUSE_WITHIN_MS);
  }

  /** A worker went silent. Whether the chunk was done is for its row to say; the job runs again and finds out. */
  @OnQueueStalled()
  onStalled(job: Job<ChunkJob>): void {
    this.logger.warn({ message: 'chunk stalled, it is run again', ...job.data });
  }

  private async handleChunk(job: ChunkJob): Promise<ChunkRun> {
    if (this.stopping) throw new Error('the worker stops; the chunk is left to another');
    const begun = performance.now();
    const measured = (result: string) =>
      publishChunkMeasurement({ result, seconds: (performance.now() - begun) / 1000 });
    const run = this.runner.run(job);
    this.running.add(run);
    try {
      const result = await run;
      measured(result);
      return result;
    } catch (error) {
      measured('failed');
      this.logger.error({ message: 'chunk failed, it is run again', ...job }, stackOf(error));
      throw error;
    } finally {
      this.running.delete(run);
    }
  }
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const patience = new AbortController();
  const late = delay(ms, false, { signal: patience.signal }).catch(() => true);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    patience.abort();
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : String(error);
}
