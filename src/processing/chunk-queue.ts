import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Queue } from 'bull';
import { jobIdOf, type QueuedChunk } from '../batches/chunks.sql.js';
import { TimeoutError, withTimeout } from '../platform/concurrency.js';
import { errorMessage } from '../platform/errors.js';
import { CHUNK_QUEUE, type ChunkJob, isConnected, REDIS_LIMIT_MS } from '../platform/queue/queues.js';

const REPEAT_SAME_ERROR_AFTER_MS = 60_000;

/**
 * Quick first retries for a deadlock or a lost connection, then ever rarer: 1/4, 3/4, 7/4 … 16 s. After the last the job
 * is gone and the reconciler adds a new one, so that a chunk is tried forever, at a bounded pace.
 */
const RETRIES = { attempts: 7, backoff: { type: 'exponential', delay: 250 } } as const;

/** The chunk queue in Redis, as something that may be away: no method throws, none takes long. */
@Injectable()
export class ChunkQueue implements OnModuleInit {
  private readonly logger = new Logger(ChunkQueue.name);
  /** Commands given up on whose answer is still out; while there is one, Redis is taken to be away. */
  private unanswered = 0;
  private lastError = { message: '', at: 0 };

  constructor(@InjectQueue(CHUNK_QUEUE) private readonly queue: Queue<ChunkJob>) {}

  onModuleInit(): void {
    this.queue.on('error', (error) => this.report(error));
  }

  /** Adds a job per chunk. Answers whether Redis has them. */
  async add(chunks: readonly QueuedChunk[]): Promise<boolean> {
    if (chunks.length === 0) return true;
    const jobs = chunks.map((chunk) => ({
      data: { batchId: chunk.batchId, chunkNumber: chunk.chunkNumber },
      opts: { ...RETRIES, jobId: jobIdOf(chunk) },
    }));
    return (await this.patiently(() => this.queue.addBulk(jobs))) !== null;
  }

  /**
   * The ids of the jobs that will still be run, `null` if Redis does not say; those that are put off apart, since the
   * time they are put off to was reckoned by the clock of some worker, which may be wrong by days. Active jobs are left out: whether a
   * chunk is really being worked on is told by its row lock, which dies with the worker.
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

  /** Reconnecting clients repeat themselves; the log need not. */
  private report(error: unknown): void {
    const message = errorMessage(error);
    const now = Date.now();
    if (message === this.lastError.message && now - this.lastError.at < REPEAT_SAME_ERROR_AFTER_MS) return;
    this.lastError = { message, at: now };
    this.logger.warn({ message: 'Redis: queued chunks wait for it to come back', error: message });
  }
}
