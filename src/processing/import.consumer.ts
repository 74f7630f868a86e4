import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { InjectQueue, OnQueueStalled, Processor } from '@nestjs/bull';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { Job, Queue } from 'bull';
import { removeWorker, renewWorker, type RunningChunk } from '../batches/statistics.sql.js';
import { Loop, settlesWithin, WorkPermit } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { PROGRAM_VERSION } from '../platform/database/installation.js';
import { publishMeasurement } from '../platform/instrumentation.js';
import { CHUNK_QUEUE, type ChunkJob, QueueConsumer } from '../platform/queue/queues.js';
import { type ChunkRun, ChunkRunner } from './chunk-runner.js';

/** A worker that has been silent for three of these counts as gone. */
const RENEW_EVERY_MS = 5_000;
/** A database that does not answer must not delay the stop. */
const REMOVE_WITHIN_MS = 1_000;

/** Shows other processes that this worker lives, and what it does. For people to see only: nothing relies on it. */
@Injectable()
export class WorkerPresence extends Loop implements BeforeApplicationShutdown {
  private readonly id = randomUUID();
  private readonly chunks = new Set<RunningChunk>();

  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
    private readonly permit: WorkPermit,
  ) {
    super({ intervalMs: RENEW_EVERY_MS, begins: 'at once', failure: 'this worker could not be listed' });
  }

  /** Lists the chunk until the work on it has ended. */
  async during<Result>({ batchId, chunkNumber }: ChunkJob, work: () => Promise<Result>): Promise<Result> {
    const chunk = { batchId, chunkNumber, since: new Date().toISOString() };
    this.chunks.add(chunk);
    try {
      return await work();
    } finally {
      this.chunks.delete(chunk);
    }
  }

  /** A worker that does not fit the schema is listed as one that waits, if the schema has room for it. */
  protected override async pass(): Promise<void> {
    await this.renew().catch((error: unknown) => {
      if (this.permit.permitted) throw error;
    });
  }

  private async renew(): Promise<void> {
    await renewWorker(this.database, {
      id: this.id,
      host: hostname(),
      pid: process.pid,
      version: PROGRAM_VERSION,
      concurrency: this.config.workerConcurrency,
      refusal: this.permit.refusal,
      activity: [...this.chunks],
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await settlesWithin(
      REMOVE_WITHIN_MS,
      removeWorker(this.database, this.id).catch(() => undefined),
    );
  }
}

/** Takes chunks from the queue. `ChunkRunner` does the work and does not depend on the queue. */
@Processor(CHUNK_QUEUE)
export class ImportConsumer extends QueueConsumer<ChunkJob> {
  constructor(
    @InjectQueue(CHUNK_QUEUE) queue: Queue<ChunkJob>,
    private readonly runner: ChunkRunner,
    private readonly presence: WorkerPresence,
    config: AppConfig,
  ) {
    super(queue, { concurrency: config.workerConcurrency, failure: 'chunk failed, it is run again' });
  }

  /** A worker stopped responding. The job runs again and learns from the chunk's row whether the chunk is done. */
  @OnQueueStalled()
  onStalled(job: Job<ChunkJob>): void {
    this.logger.warn({ message: 'chunk stalled, it is run again', ...job.data });
  }

  protected override async handle(job: ChunkJob): Promise<ChunkRun> {
    const begun = performance.now();
    let result: ChunkRun | 'failed' = 'failed';
    try {
      return (result = await this.presence.during(job, () => this.runner.run(job)));
    } finally {
      publishMeasurement('chunk', { result, seconds: (performance.now() - begun) / 1000 });
    }
  }

  /** Rolls the chunks back, so that another worker processes them. */
  protected override breakOff(): Promise<void> {
    return this.runner.abandonAll();
  }
}
