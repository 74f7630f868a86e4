import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { BatchStatus } from './batch-state.js';
import type { ChunkRow } from './record-collector.js';
import type { OutcomeCounts } from './records.sql.js';

/*
 * import_queue_chunk. Its states:
 *
 *   (inserted) ──► pending ──► queued ──► done
 *       │             ▲          │          ▲
 *       │             └──────────┘          │
 *       │       handed back (paused, or     │
 *       │       an earlier chunk goes first)│
 *       └───────────────────────────────────┘
 *         no valid record; or the upload is abandoned
 *
 * A worker owns a chunk while it holds the lock of the row (`lockChunk`); the effects of the records, their outcomes,
 * the counts and `done` commit together.
 */

/** A chunk in a queue and in a log. */
export type ChunkKey = Pick<QueuedChunk, 'batchId' | 'chunkNumber'>;

/**
 * Inserts chunks that are complete. A chunk without a valid record has nothing left to do. The ordering keys of all
 * chunks are one parameter, which is sent as bytes; an array of them would be sent as text.
 */
export async function insertChunks(
  transaction: Transaction,
  batchId: number,
  chunks: readonly ChunkRow[],
): Promise<void> {
  let keysLength = 0;
  const keysBefore = chunks.map(({ orderingKeys }) => {
    const before = keysLength;
    keysLength += orderingKeys?.length ?? 0;
    return before;
  });
  await transaction.query(
    `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
       record_count, invalid_count, ordering_keys, state, done_at)
     SELECT $1::bigint, chunk_number, first_line, last_line, record_count, invalid_count,
       substring($2::bytea FROM keys_before + 1 FOR keys_length),
       CASE WHEN record_count = invalid_count THEN 'done' ELSE 'pending' END,
       CASE WHEN record_count = invalid_count THEN now() END
     FROM unnest($3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[])
       AS chunk (chunk_number, first_line, last_line, record_count, invalid_count, keys_before, keys_length)`,
    [
      batchId,
      Buffer.concat(chunks.flatMap(({ orderingKeys }) => orderingKeys ?? [])),
      chunks.map(({ chunkNumber }) => chunkNumber),
      chunks.map(({ firstLine }) => firstLine),
      chunks.map(({ lastLine }) => lastLine),
      chunks.map(({ recordCount }) => recordCount),
      chunks.map(({ invalidCount }) => invalidCount),
      keysBefore,
      chunks.map(({ orderingKeys }) => orderingKeys?.length ?? null),
    ],
  );
}

/** How long after a fault paused a batch, and after each try, one of its chunks is tried. */
export const PROBE_INTERVAL = `interval '30 seconds'`;

/** A chunk that has a place in the queue. */
export interface QueuedChunk {
  batchId: number;
  chunkNumber: number;
  /** When it was queued, in microseconds since 1970; distinguishes one queueing of the chunk from the next. */
  queuedAt: number;
}

/**
 * Bull ignores an `add` whose job id it still knows, whether that job has completed or failed. With the time of queueing
 * in the id, a left-over job never blocks a job that is needed, and adding the same queueing twice (two processes, a
 * command repeated after a reconnect) still makes one job.
 */
export function jobIdOf({ batchId, chunkNumber, queuedAt }: QueuedChunk): string {
  return `${batchId}.${chunkNumber}.${queuedAt}`;
}

/**
 * How many open chunks of a batch are examined, so that one fill costs the same whether a batch has ten chunks left or
 * ten thousand. A queued chunk is always among them, because chunks only leave from before it.
 */
export function lookAhead(window: number): number {
  return 64 + 4 * window;
}

/**
 * Moves the next chunks from `pending` to `queued` while the window has room, lowest number first, and leaves out those
 * that wait for an earlier chunk. Call it under `lockWindow`.
 */
export async function queueNextChunks(
  transaction: Transaction,
  batchId: number,
  window: number,
): Promise<QueuedChunk[]> {
  const { rows } = await transaction.query<QueuedChunk>(
    `WITH ahead AS MATERIALIZED (
       SELECT chunk_number, state, blocked_by
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND state <> 'done'
        ORDER BY chunk_number
        LIMIT $3
     ), next AS (
       SELECT chunk_number
         FROM ahead
        WHERE state = 'pending'
          AND (blocked_by IS NULL OR blocked_by NOT IN (SELECT chunk_number FROM ahead))
        ORDER BY chunk_number
        LIMIT greatest(0, $2 - (SELECT count(*) FROM ahead WHERE state = 'queued'))
     )
     UPDATE import_queue_chunk c
        SET state = 'queued', queued_at = clock_timestamp(), blocked_by = NULL
       FROM next
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = next.chunk_number
        AND c.state = 'pending'
     RETURNING c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
               (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt"`,
    [batchId, window, lookAhead(window)],
  );
  return rows.sort((a, b) => a.chunkNumber - b.chunkNumber);
}

/**
 * Queues chunks again whose jobs are gone, except those that a worker holds locked. The new time of queueing makes new
 * job ids, so that remains of the old jobs in Redis do no harm.
 */
export async function requeueChunks(sql: Sql, lost: readonly QueuedChunk[]): Promise<QueuedChunk[]> {
  const { rows } = await sql.query<QueuedChunk>(
    `WITH free AS MATERIALIZED (
       SELECT c.workflow_import_queue_batch_id, c.chunk_number
         FROM import_queue_chunk c
         JOIN unnest($1::bigint[], $2::integer[], $3::bigint[]) AS lost (batch, chunk, queued_at)
           ON c.workflow_import_queue_batch_id = lost.batch AND c.chunk_number = lost.chunk
          AND (extract(epoch FROM c.queued_at) * 1000000)::bigint = lost.queued_at
        WHERE c.state = 'queued'
          FOR UPDATE OF c SKIP LOCKED
     )
     UPDATE import_queue_chunk c SET queued_at = clock_timestamp()
       FROM free
      WHERE c.workflow_import_queue_batch_id = free.workflow_import_queue_batch_id
        AND c.chunk_number = free.chunk_number
     RETURNING c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
               (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt"`,
    [
      lost.map(({ batchId }) => batchId),
      lost.map(({ chunkNumber }) => chunkNumber),
      lost.map(({ queuedAt }) => queuedAt),
    ],
  );
  return rows;
}

export interface StaleChunk extends QueuedChunk {
  /** Queued so long ago that no delayed retry can still be outstanding: all delays together are less than this. */
  overdue: boolean;
}

/** Chunks that were queued a while ago and are not done: they wait in Redis, are being processed, or are lost. */
export async function selectStaleChunks(sql: Sql, olderThanMs: number): Promise<StaleChunk[]> {
  const { rows } = await sql.query<StaleChunk>(
    `SELECT c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
            (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt",
            c.queued_at < clock_timestamp() - interval '2 minutes' AS overdue
       FROM import_queue_chunk c
      WHERE c.state = 'queued'
        AND c.queued_at < clock_timestamp() - $1 * interval '1 millisecond'
      ORDER BY c.queued_at`,
    [olderThanMs],
  );
  return rows;
}

/** A chunk that this transaction owns until it ends. */
export interface LockedChunk {
  firstLine: number;
  lastLine: number;
  /** How many times it failed by a fault that was not transient. */
  attempts: number;
  batchStatus: BatchStatus;
  failureReason: string | null;
  /** Records that have an outcome from the processing. */
  processed: number;
  /** A fault paused the batch, and this chunk was queued since to find out whether the fault is gone. */
  isProbe: boolean;
  backendPid: number;
}

/**
 * Takes the chunk if it is queued and no other worker has it. A job that comes twice, late or for a chunk that was handed
 * back finds nothing. It must not wait for the lock, because it would then find the chunk `done`.
 */
export async function lockChunk(transaction: Transaction, job: ChunkKey): Promise<LockedChunk | undefined> {
  const { rows } = await transaction.query<LockedChunk>(
    `SELECT c.first_line AS "firstLine", c.last_line AS "lastLine", c.attempts,
            b.status AS "batchStatus", b.failure_reason AS "failureReason",
            c.succeeded_count + c.failed_count + c.skipped_count AS processed,
            b.status = 'paused' AND b.pause_reason = 'environment_fault'
              AND c.queued_at >= b.probe_at - ${PROBE_INTERVAL} AS "isProbe", pg_backend_pid() AS "backendPid"
       FROM import_queue_chunk c
       JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = $2 AND c.state = 'queued'
        FOR UPDATE OF c SKIP LOCKED`,
    [job.batchId, job.chunkNumber],
  );
  return rows[0];
}

/**
 * Queues the first open chunk of a batch that a fault paused, to find out whether the fault is gone. Answers nothing if
 * that chunk is queued already.
 */
export async function queueProbe(sql: Sql, batchId: number): Promise<QueuedChunk[]> {
  const { rows } = await sql.query<QueuedChunk>(
    `WITH first AS MATERIALIZED (
       SELECT chunk_number FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND state <> 'done'
        ORDER BY chunk_number LIMIT 1
     )
     UPDATE import_queue_chunk c
        SET state = 'queued', queued_at = clock_timestamp(), blocked_by = NULL
       FROM first
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = first.chunk_number AND c.state = 'pending'
     RETURNING c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
               (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt"`,
    [batchId],
  );
  return rows;
}

export interface OpenChunk {
  chunkNumber: number;
  /** Sorted, 8 bytes big-endian each. */
  orderingKeys: Buffer | null;
}

/** The chunk itself first, then the open chunks before it, nearest first. */
export async function selectOpenChunksUpTo(transaction: Transaction, job: ChunkKey): Promise<OpenChunk[]> {
  const { rows } = await transaction.query<OpenChunk>(
    `SELECT chunk_number AS "chunkNumber", ordering_keys AS "orderingKeys"
       FROM import_queue_chunk
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number <= $2 AND state <> 'done'
      ORDER BY chunk_number DESC`,
    [job.batchId, job.chunkNumber],
  );
  return rows;
}

/** The chunk waits for its turn again; with `blockedBy`, not before that earlier chunk is done. */
export async function handBackChunk(
  transaction: Transaction,
  job: ChunkKey,
  blockedBy: number | null,
): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_chunk SET state = 'pending', queued_at = NULL, blocked_by = $3
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'`,
    [job.batchId, job.chunkNumber, blockedBy],
  );
}

/** Adds outcomes to the counts of a chunk, in the transaction that writes them; `done` ends the chunk. */
export async function writeChunkProgress(
  transaction: Transaction,
  job: ChunkKey,
  counts: OutcomeCounts,
  done: boolean,
): Promise<void> {
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_chunk
        SET succeeded_count = succeeded_count + $3, failed_count = failed_count + $4,
            skipped_count = skipped_count + $5, canceled_count = canceled_count + $6,
            created_count = created_count + $7, updated_count = updated_count + $8,
            unchanged_count = unchanged_count + $9,
            state = CASE WHEN $10 THEN 'done' ELSE state END,
            done_at = CASE WHEN $10 THEN clock_timestamp() END
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'`,
    [
      job.batchId,
      job.chunkNumber,
      counts.succeeded,
      counts.failed,
      counts.skipped,
      counts.canceled,
      counts.created,
      counts.updated,
      counts.unchanged,
      done,
    ],
  );
  if (rowCount !== 1) throw new Error(`chunk ${job.chunkNumber} of batch ${job.batchId} is no longer queued`);
}

/**
 * Notes why a run of the chunk was rolled back, and answers how many faults were counted. Only faults that are not
 * transient count: a database that is away for an hour proves nothing against the records.
 */
export async function writeChunkFault(
  sql: Sql,
  job: ChunkKey,
  message: string,
  transient: boolean,
): Promise<number> {
  const { rows } = await sql.query<{ attempts: number }>(
    `UPDATE import_queue_chunk SET attempts = attempts + $3, last_error = $4
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'
     RETURNING attempts`,
    [job.batchId, job.chunkNumber, transient ? 0 : 1, message],
  );
  return rows[0]?.attempts ?? 0;
}

/** Ends all chunks of an upload that is abandoned: its valid records are canceled. */
export async function abandonChunks(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_chunk
        SET canceled_count = record_count - invalid_count, state = 'done', done_at = coalesce(done_at, now())
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
}

export interface ChunkToPreview {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  /** Sorted, 8 bytes big-endian each. */
  orderingKeys: Buffer | null;
}

/** All chunks of a batch, in line order. */
export async function selectChunksToPreview(sql: Sql, batchId: number): Promise<ChunkToPreview[]> {
  const { rows } = await sql.query<ChunkToPreview>(
    `SELECT chunk_number AS "chunkNumber", first_line AS "firstLine", last_line AS "lastLine",
            ordering_keys AS "orderingKeys"
       FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1 ORDER BY chunk_number`,
    [batchId],
  );
  return rows;
}
