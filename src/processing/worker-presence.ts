import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { removeWorker, renewWorker, type RunningChunk } from '../batches/statistics.sql.js';
import { Loop, settlesWithin } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { PROGRAM_VERSION } from '../platform/database/schema-fit.js';
import type { ChunkJob } from '../platform/queue/queues.js';

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

  protected override async pass(): Promise<void> {
    await renewWorker(this.database, {
      id: this.id,
      host: hostname(),
      pid: process.pid,
      version: PROGRAM_VERSION,
      concurrency: this.config.workerConcurrency,
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
