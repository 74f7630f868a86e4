import { InjectQueue } from '@nestjs/bull';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bull';
import { withTimeout } from '../../platform/concurrency.js';
import type { Sql } from '../../platform/database/database.service.js';
import {
  BEHAVIOR_QUEUE,
  CHUNK_QUEUE,
  NOTIFICATION_QUEUE,
  WEBHOOK_QUEUE,
} from '../../platform/queue/queues.js';

export interface Figures {
  batches: { status: string; count: number }[];
  openChunks: { state: string; count: number }[];
  outboxes: { outbox: string; pending: number; failed: number; oldestSeconds: number }[];
  oldestBatchSeconds: number;
  paused: { reason: string; count: number }[];
  /** Age of the oldest chunk that waits for a worker. */
  oldestChunkSeconds: number;
  /** The longest time for which a batch that is in progress has finished no chunk. */
  stalledSeconds: number;
}

/** Reads the current figures from small indexes and the list of batches, never from records. */
export async function selectFigures(sql: Sql): Promise<Figures> {
  const [batches, openChunks, outboxes, oldest, paused, oldestChunk, stalled] = await Promise.all([
    sql.query<Figures['batches'][number]>(
      'SELECT status, count(*)::integer AS count FROM import_queue_batch GROUP BY status',
    ),
    sql.query<Figures['openChunks'][number]>(
      `SELECT state, count(*)::integer AS count FROM import_queue_chunk WHERE state <> 'done' GROUP BY state`,
    ),
    sql.query<Figures['outboxes'][number]>(
      `SELECT named.outbox, sum(owed.pending)::integer AS pending, sum(ended.failed)::integer AS failed,
              coalesce(extract(epoch FROM now() - min(owed.oldest)), 0)::float AS "oldestSeconds"
         FROM (VALUES ('notification', 'batch_mail'), ('behavior', 'behavior_mail'),
                      ('behavior', 'behavior_webhook'), ('notification', 'account_mail'), ('webhook', 'batch_webhook')) named (outbox, kind)
        CROSS JOIN LATERAL (SELECT count(*) AS pending, min(created_at) AS oldest FROM outbox
                             WHERE kind = named.kind AND status IN ('pending', 'sending')) owed
        CROSS JOIN LATERAL (SELECT count(*) AS failed FROM outbox
                             WHERE kind = named.kind AND status = 'failed') ended
        GROUP BY 1`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS seconds
         FROM import_queue_batch WHERE status IN ('queued', 'in_progress', 'canceling')`,
    ),
    sql.query<Figures['paused'][number]>(
      `SELECT pause_reason AS reason, count(*)::integer AS count
         FROM import_queue_batch WHERE status = 'paused' GROUP BY 1`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float AS seconds
         FROM import_queue_chunk WHERE state = 'queued'`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(coalesce(progress.at, b.started_at))), 0)::float AS seconds
         FROM import_queue_batch b
        CROSS JOIN LATERAL (SELECT max(done_at) AS at FROM import_queue_chunk c
                             WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id) progress
        WHERE b.status IN ('in_progress', 'canceling')`,
    ),
  ]);
  return {
    batches: batches.rows,
    openChunks: openChunks.rows,
    outboxes: outboxes.rows,
    oldestBatchSeconds: oldest.rows[0]?.seconds ?? 0,
    paused: paused.rows,
    oldestChunkSeconds: oldestChunk.rows[0]?.seconds ?? 0,
    stalledSeconds: stalled.rows[0]?.seconds ?? 0,
  };
}

const REDIS_BOUND_MS = 1_000;
const STATES = ['waiting', 'active', 'delayed', 'failed', 'paused'] as const;

/** Jobs in Redis, and which queues a person has paused. */
export interface QueueFigure {
  jobs: JobFigure[];
  paused: { queue: string; paused: boolean }[];
}

interface JobFigure {
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
  async read(): Promise<QueueFigure | null> {
    try {
      const figures: QueueFigure = { jobs: [], paused: [] };
      for (const queue of [this.chunks, this.notifications, this.behaviors, this.webhooks]) {
        const counts = (await withTimeout(REDIS_BOUND_MS, queue.getJobCounts())) as unknown as Record<
          string,
          number
        >;
        const paused = await withTimeout(REDIS_BOUND_MS, queue.isPaused());
        figures.paused.push({ queue: queue.name, paused });
        figures.jobs.push(
          ...STATES.map((state) => ({ queue: queue.name, state, count: counts[state] ?? 0 })),
        );
      }
      return figures;
    } catch {
      return null;
    }
  }
}
