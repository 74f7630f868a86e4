import type { Logger } from '@nestjs/common';
import type { JobOptions, Queue } from 'bull';
import type { RedisOptions } from 'ioredis';
import { withTimeout } from '../concurrency.js';
import type { AppConfig } from '../config/config.js';
import { errorMessage } from '../errors.js';

/** The Bull queues. A job carries ids only: PostgreSQL is the truth, Redis a wake-up (ADR 1). */
export const CHUNK_QUEUE = 'import-chunks';
export const NOTIFICATION_QUEUE = 'notifications';
export const BEHAVIOR_QUEUE = 'behaviors';
export const WEBHOOK_QUEUE = 'webhooks';

/** One job = one chunk of one batch. */
export interface ChunkJob {
  batchId: number;
  chunkNumber: number;
}

/** A message of the outbox; in the queue of webhooks it stands for the next one to the same host. */
export interface DeliveryJob {
  messageId: number;
}

/** REDIS_URL as options, since Bull wants the same connection described for three clients. */
export function redisConnection(config: Pick<AppConfig, 'redisUrl'>): RedisOptions {
  const url = new URL(config.redisUrl ?? 'redis://127.0.0.1:6379');
  const database = url.pathname.replace(/^\//, '');
  return {
    // A URL has an IPv6 address in brackets, a connection has none.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...(database !== '' && { db: Number(database) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
    // Bull's own waits up to 20 s after Redis is back.
    retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
  };
}

/** How long a call waits for Redis. What Redis could not be told is found in PostgreSQL later. */
export const REDIS_LIMIT_MS = 1_000;

const NOT_CONNECTED: readonly string[] = ['reconnecting', 'close', 'end'];

/** A client without a connection keeps commands in memory until it has one. */
export function isConnected(queue: Queue): boolean {
  return !NOT_CONNECTED.includes(queue.client.status);
}

export interface WakeUp<Job> {
  job: Job;
  /**
   * Bull ignores an `add` whose job id it still knows, also of a job that is long completed. Give one only where the
   * same wake-up is repeated, and let it change when that wake-up must get through.
   */
  jobId?: string;
  delayMs?: number;
}

/** Adds jobs to a queue in Redis, which may be away: never throws, never takes long. */
export async function addWakeUps<Job>(
  queue: Queue<Job>,
  wakeUps: readonly WakeUp<Job>[],
  logger: Logger,
): Promise<void> {
  if (wakeUps.length === 0 || !isConnected(queue)) return;
  const jobs = wakeUps.map(({ job, jobId, delayMs }) => ({
    data: job,
    opts: { ...(jobId !== undefined && { jobId }), delay: delayMs ?? 0 } satisfies JobOptions,
  }));
  try {
    await withTimeout(REDIS_LIMIT_MS, queue.addBulk(jobs));
  } catch (error) {
    logger.warn({ message: 'jobs wait until the reconciler finds them: Redis', error: errorMessage(error) });
  }
}
