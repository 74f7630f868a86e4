import { Injectable, Logger } from '@nestjs/common';
import { lockWindow } from '../batches/batches.sql.js';
import { type QueuedChunk, queueNextChunks } from '../batches/chunks.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { errorStack } from '../platform/errors.js';
import { faultPoint } from '../platform/fault-points.js';
import { BatchFinisher } from './batch-finisher.js';
import { ChunkQueue } from './chunk-queue.js';

/**
 * Queues the chunks of a batch a few at a time. A batch that had a turn goes to the tail of the queue for its next chunk,
 * so that batches take turns, and Redis stays small for a batch of any size.
 */
@Injectable()
export class ChunkScheduler {
  private readonly logger = new Logger(ChunkScheduler.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly queue: ChunkQueue,
    private readonly finisher: BatchFinisher,
    private readonly config: AppConfig,
  ) {}

  /**
   * Takes a batch one step on: ends it if all its chunks are done, else queues the next of them. Does nothing for a batch
   * that needs neither, such as a paused one. Never throws: the caller's work is committed, and the reconciler repeats
   * what fails here.
   */
  async advance(batchId: number): Promise<void> {
    if (!(await this.finisher.finishIfDone(batchId))) await this.fill(batchId);
  }

  /** Queues the next chunks of the batch while its window has room. Never throws and never waits long for Redis. */
  private async fill(batchId: number): Promise<void> {
    try {
      const chunks = await this.queueNext(batchId);
      if (chunks.length > 0) faultPoint('chunk.before-enqueue');
      await this.queue.add(chunks);
    } catch (error) {
      this.logger.error(
        { message: 'chunks could not be queued, the reconciler will', batchId },
        errorStack(error),
      );
    }
  }

  private queueNext(batchId: number): Promise<QueuedChunk[]> {
    return this.database.transaction(async (transaction) => {
      const window = await lockWindow(transaction, batchId, this.config.chunkWindow);
      return window === null ? [] : queueNextChunks(transaction, batchId, window);
    });
  }
}
