import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Queue } from 'bull';
import { jobIdOf, type QueuedChunk } from '../batches/chunks.sql.js';
import { TimeoutError, withTimeout } from '../platform/concurrency.js';
import { errorMessage } from '../platform/errors.js';
import { CHUNK_QUEUE, type ChunkJob, isConnected, REDIS_LIMIT_MS } from '../platform/queue/queues.js';

const REPEAT_SAME_ERROR_AFTER_MS = 60_000;

/**
 * The first retries are quick, for a deadlock or a lost connection; later ones are less frequent: 1/4, 3/4, 7/4 … 16 s.
 * After the last retry the job is gone and the reconciler adds a new one. So a chunk is retried without limit, at a
 * bounded rate.
 */
const RETRIES = { attempts: 7, backoff: { type: 'exponential', delay: 250 } } as const;

/** The chunk queue in Redis. Redis may be unavailable, so no method throws or takes long. */
@Injectable()
export class ChunkQueue implements OnModuleInit {
  private readonly logger = new Logger(ChunkQueue.name);
  /** Commands that timed out and are still unanswered. While there are any, Redis counts as unavailable. */
  private unanswered = 0;
  private lastError = { message: '', at: 0 };

  constructor(@InjectQueue(CHUNK_QUEUE) private readonly queue: Queue<ChunkJob>) {}

  onModuleInit(): void {
    this.queue.on('error', (error) => this.report(error));
  }

  /** Adds a job per chunk. Answers whether Redis has stored the jobs. */
  async add(chunks: readonly QueuedChunk[]): Promise<boolean> {
    if (chunks.length === 0) return true;
    const jobs = chunks.map((chunk) => ({
      data: { batchId: chunk.batchId, chunkNumber: chunk.chunkNumber },
      opts: { ...RETRIES, jobId: jobIdOf(chunk) },
    }));
    return (await this.patiently(() => this.queue.addBulk(jobs))) !== null;
  }

  /**
   * The ids of the jobs that will still run; `null` if Redis does not answer. Delayed jobs are listed separately,
   * because their due time comes from some worker's clock, which may be wrong by days. Active jobs are left out: the
   * row lock shows whether a worker really processes the chunk, because it is released when the worker dies.
   */
  async waitingJobIds(): Promise<{ waiting: Set<string>; delayed: Set<string> } | null> {
    const lists = await this.patiently(() =>
      Promise.all([
        this.queue.client.lrange(this.queue.toKey('wait'), 0, -1),
        this.queue.client.lrange(this.queue.toKey('paused'), 0, -1),
        this.queue.client.zrange(this.queue.toKey('delayed'), 0, -1),
      ]),
    );
    if (lists === null) return null;
    const [wait, paused, delayed] = lists;
    return { waiting: new Set([...wait, ...paused]), delayed: new Set(delayed) };
  }

  private async patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
    if (this.unanswered > 0 || !isConnected(this.queue)) return null;
    const answer = ask();
    try {
      return await withTimeout(REDIS_LIMIT_MS, answer);
    } catch (error) {
      this.report(error);
      if (error instanceof TimeoutError) this.awaitLateAnswer(answer);
      return null;
    }
  }

  private awaitLateAnswer(answer: Promise<unknown>): void {
    this.unanswered += 1;
    void answer
      .catch(() => undefined)
      .finally(() => {
        this.unanswered -= 1;
      });
  }

  /** Reconnecting clients repeat the same error; the log need not repeat it. */
  private report(error: unknown): void {
    const message = errorMessage(error);
    const now = Date.now();
    if (message === this.lastError.message && now - this.lastError.at < REPEAT_SAME_ERROR_AFTER_MS) return;
    this.lastError = { message, at: now };
    this.logger.warn({ message: 'Redis: queued chunks wait for it to come back', error: message });
  }
}
