import { InjectQueue, OnQueueStalled, Processor } from '@nestjs/bull';
import type { Job, Queue } from 'bull';
import { AppConfig } from '../platform/config/config.js';
import { publishMeasurement } from '../platform/instrumentation.js';
import { CHUNK_QUEUE, type ChunkJob, QueueConsumer } from '../platform/queue/queues.js';
import { type ChunkRun, ChunkRunner } from './chunk-runner.js';
import { WorkerPresence } from './worker-presence.js';

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
