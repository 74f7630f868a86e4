import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { BatchStatus } from './batch-state.js';
import type { ChunkRow } from './record-collector.js';
import type { OutcomeCounts } from './records.sql.js';
import { countingChunk } from './statistics.sql.js';

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
 * The only chunk of a batch that may run at once is inserted as queued.
 *
 * A worker owns a chunk while it holds the row lock (`lockChunk`). The effects of the records, their outcomes, the
 * counts and `done` commit together.
 *
 * A worker that delivers records to another system owns the chunk by a lease instead: until `lease_until`, no other worker
 * can lock it. Each lease has a new `lease_token`, which stands in the condition of every write of its holder.
 */

/** The columns of a `QueuedChunk`; the time is null for a chunk that is not queued. */
const AS_QUEUED = `workflow_import_queue_batch_id AS "batchId", chunk_number AS "chunkNumber",
               (extract(epoch FROM queued_at) * 1000000)::bigint AS "queuedAt"`;

/** Identifies a chunk in the queue and in logs. */
export type ChunkKey = Pick<QueuedChunk, 'batchId' | 'chunkNumber'>;

/**
 * Inserts complete chunks. A chunk without a valid record is done at once. The ordering keys of all chunks are one
 * parameter, which is sent as bytes; an array would be sent as text.
 * @param next the state of chunks with a valid record
 * @returns the chunks that are queued
 */
export async function insertChunks(
  transaction: Transaction,
  batchId: number,
  chunks: readonly ChunkRow[],
  next: 'pending' | 'queued' = 'pending',
): Promise<QueuedChunk[]> {
  const keys = concatenated(chunks.map(({ orderingKeys }) => orderingKeys));
  const leftOut = concatenated(chunks.map((chunk) => chunk.leftOut));
  const { rows } = await transaction.query<QueuedChunk & { queuedAt: number | null }>(
    `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
       record_count, invalid_count, ordering_keys, state, queued_at, done_at, left_out)
     SELECT $1::bigint, chunk_number, first_line, last_line, record_count, invalid_count,
       substring($2::bytea FROM keys_before + 1 FOR keys_length),
       CASE WHEN record_count = invalid_count THEN 'done' ELSE $13 END,
       CASE WHEN record_count > invalid_count AND $13 = 'queued' THEN clock_timestamp() END,
       CASE WHEN record_count = invalid_count THEN now() END,
       convert_from(substring($3::bytea FROM left_out_before + 1 FOR left_out_length), 'UTF8')::json
     FROM unnest($4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[])
       AS chunk (chunk_number, first_line, last_line, record_count, invalid_count, keys_before, keys_length,
                 left_out_before, left_out_length)
     RETURNING ${AS_QUEUED}`,
    [
      batchId,
      keys.bytes,
      leftOut.bytes,
      chunks.map(({ chunkNumber }) => chunkNumber),
      chunks.map(({ firstLine }) => firstLine),
      chunks.map(({ lastLine }) => lastLine),
      chunks.map(({ recordCount }) => recordCount),
      chunks.map(({ invalidCount }) => invalidCount),
      keys.before,
      keys.lengths,
      leftOut.before,
      leftOut.lengths,
      next,
    ],
  );
  return rows.filter(({ queuedAt }) => queuedAt !== null);
}

/** Large values of several rows as one parameter: as items of an array, each would be escaped and copied. */
function concatenated(values: readonly (Buffer | null)[]) {
  let length = 0;
  const before = values.map((value) => {
    const start = length;
    length += value?.length ?? 0;
    return start;
  });
  const lengths = values.map((value) => value?.length ?? null);
  return { bytes: Buffer.concat(values.filter((value) => value !== null)), before, lengths };
}

/** The wait between the fault that paused a batch and the first probe, and between probes. A probe tries one chunk. */
export const PROBE_INTERVAL = `interval '30 seconds'`;

/** The reasons of pauses that end when a probe succeeds, as the items of an SQL list. */
export const PROBED = `'environment_fault', 'target_unavailable'`;

/** No worker has a lease of the chunk `c`. */
const IS_FREE = '(c.lease_until IS NULL OR c.lease_until <= clock_timestamp())';

/** A chunk that has a place in the queue. */
export interface QueuedChunk {
  batchId: number;
  chunkNumber: number;
  /** When the chunk was queued, in microseconds since 1970. A chunk that is queued again gets a different value. */
  queuedAt: number;
}

/**
 * Bull ignores an `add` whose job id it still knows, even if that job has completed or failed. The id contains the time
 * of queueing, so a leftover job never blocks a needed job. If two processes add the same queueing, or a reconnect
 * repeats the command, there is still only one job.
 */
export function jobIdOf({ batchId, chunkNumber, queuedAt }: QueuedChunk): string {
  return `${batchId}.${chunkNumber}.${queuedAt}`;
}

/**
 * How many open chunks of a batch one fill examines. The limit keeps the cost the same for ten remaining chunks and for
 * ten thousand. Queued chunks are always among those examined, because the list only loses chunks that precede them.
 */
export function lookAhead(window: number): number {
  return 64 + 4 * window;
}

/**
 * Moves the next chunks from `pending` to `queued` while the window has room, lowest number first. Skips chunks that
 * wait for an earlier chunk, and those behind the canary. Requires the lock of `lockWindow`.
 */
export async function queueNextChunks(
  transaction: Transaction,
  batchId: number,
  { size, canaryLine }: { size: number; canaryLine: number | null },
): Promise<QueuedChunk[]> {
  const { rows } = await transaction.query<QueuedChunk>(
    `WITH ahead AS MATERIALIZED (
       SELECT chunk_number, state, blocked_by
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND state <> 'done'
          AND ($4::integer IS NULL OR first_line <= $4
               AND (last_line <= $4 OR succeeded_count + failed_count + skipped_count + unknown_count = 0
                    OR state = 'queued'))
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
    [batchId, size, lookAhead(size), canaryLine],
  );
  return rows.sort((a, b) => a.chunkNumber - b.chunkNumber);
}

/**
 * Requeues chunks whose jobs are gone, except chunks that a worker has locked. The new time of queueing gives new job
 * ids, so remnants of the old jobs in Redis do no harm.
 */
export async function requeueChunks(sql: Sql, lost: readonly QueuedChunk[]): Promise<QueuedChunk[]> {
  const { rows } = await sql.query<QueuedChunk>(
    `WITH free AS MATERIALIZED (
       SELECT c.workflow_import_queue_batch_id, c.chunk_number
         FROM import_queue_chunk c
         JOIN unnest($1::bigint[], $2::integer[], $3::bigint[]) AS lost (batch, chunk, queued_at)
           ON c.workflow_import_queue_batch_id = lost.batch AND c.chunk_number = lost.chunk
          AND (extract(epoch FROM c.queued_at) * 1000000)::bigint = lost.queued_at
        WHERE c.state = 'queued' AND ${IS_FREE}
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

/** Chunks that were queued some time ago and are not done: they wait in Redis, are being processed, or are lost. */
export async function selectStaleChunks(sql: Sql, olderThanMs: number): Promise<StaleChunk[]> {
  const { rows } = await sql.query<StaleChunk>(
    `SELECT c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
            (extract(epoch FROM c.queued_at) * 1000000)::bigint AS "queuedAt",
            c.queued_at < clock_timestamp() - interval '2 minutes' AS overdue
       FROM import_queue_chunk c
      WHERE c.state = 'queued' AND ${IS_FREE}
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
  /** How many times the chunk failed because of a fault that was not transient. */
  attempts: number;
  batchStatus: BatchStatus;
  failureReason: string | null;
  /** Records whose outcome comes from processing. */
  processed: number;
  /** A fault paused the batch, and this chunk was queued afterwards to find out whether the fault is gone. */
  isProbe: boolean;
  /** The last line that may be processed before the review of the canary; `null` if there is none to wait for. */
  canaryLine: number | null;
  backendPid: number;
}

/**
 * Takes the chunk if it is queued and no other worker has it. A job that is duplicate or late, or whose chunk was
 * handed back, finds nothing. It must not wait for the lock, because it would then find the chunk `done`.
 */
export async function lockChunk(transaction: Transaction, job: ChunkKey): Promise<LockedChunk | undefined> {
  const { rows } = await transaction.query<LockedChunk>(
    `SELECT c.first_line AS "firstLine", c.last_line AS "lastLine", c.attempts,
            b.status AS "batchStatus", b.failure_reason AS "failureReason",
            c.succeeded_count + c.failed_count + c.skipped_count + c.unknown_count AS processed,
            b.status = 'paused' AND b.pause_reason IN (${PROBED})
              AND c.queued_at >= b.probe_at - ${PROBE_INTERVAL} AS "isProbe",
            control.canary_line AS "canaryLine", pg_backend_pid() AS "backendPid"
       FROM import_queue_chunk c
       JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
       LEFT JOIN import_queue_batch_control control USING (workflow_import_queue_batch_id)
      WHERE c.workflow_import_queue_batch_id = $1 AND c.chunk_number = $2 AND c.state = 'queued' AND ${IS_FREE}
        FOR UPDATE OF c SKIP LOCKED`,
    [job.batchId, job.chunkNumber],
  );
  return rows[0];
}

/**
 * Queues the first open chunk of a batch that a fault paused, to find out whether the fault is gone. If another system was
 * unavailable, it is any open chunk, because the first one may hold only records that the system never answers. Answers
 * an empty list if that chunk is already queued.
 */
export async function queueProbe(sql: Sql, batchId: number): Promise<QueuedChunk[]> {
  const { rows } = await sql.query<QueuedChunk>(
    `WITH first AS MATERIALIZED (
       SELECT c.chunk_number
         FROM import_queue_chunk c
         JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
         JOIN import_process_version v
           ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
         LEFT JOIN import_queue_batch_control control USING (workflow_import_queue_batch_id)
        WHERE c.workflow_import_queue_batch_id = $1 AND c.state <> 'done'
        ORDER BY CASE WHEN b.pause_reason = 'target_unavailable' AND NOT v.ordered AND control.canary_line IS NULL
                      THEN random() END, c.chunk_number
        LIMIT 1
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

/** The chunk itself, then the open chunks before it, nearest first. */
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

/** Makes the chunk wait for its turn again; with `blockedBy`, it waits at least until that earlier chunk is done. */
export async function handBackChunk(
  transaction: Transaction,
  job: ChunkKey,
  blockedBy: number | null,
): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_chunk
        SET state = 'pending', queued_at = NULL, blocked_by = $3,
            lease_token = lease_token + (lease_until IS NOT NULL)::integer, lease_owner = NULL, lease_until = NULL
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'`,
    [job.batchId, job.chunkNumber, blockedBy],
  );
}

/** A chunk that this worker delivers, until another worker has taken it over. */
export interface ChunkLease extends ChunkKey {
  token: number;
}

/**
 * Another worker has taken the chunk over, because this one was silent for too long; or the chunk is done.
 */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';

  constructor({ batchId, chunkNumber }: ChunkKey) {
    super(`another worker has chunk ${chunkNumber} of batch ${batchId}`);
  }
}

const IS_HELD = `c.workflow_import_queue_batch_id = $1 AND c.chunk_number = $2 AND c.state = 'queued'
        AND c.lease_token = $3`;

/** Whether the records of the chunk are still to be sent. */
const IS_WANTED = `(SELECT b.status IN ('queued', 'in_progress') AND b.failure_reason IS NULL FROM import_queue_batch b
        WHERE b.workflow_import_queue_batch_id = c.workflow_import_queue_batch_id)`;

/** Takes a lease of the locked chunk. It outlives the transaction. */
export async function leaseChunk(
  transaction: Transaction,
  { batchId, chunkNumber }: ChunkKey,
  owner: string,
  leaseMs: number,
): Promise<ChunkLease> {
  const { rows } = await transaction.query<{ token: number }>(
    `UPDATE import_queue_chunk
        SET lease_owner = $3, lease_token = lease_token + 1,
            lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'
     RETURNING lease_token AS token`,
    [batchId, chunkNumber, owner, leaseMs],
  );
  const [row] = rows;
  if (row === undefined) throw new LeaseLostError({ batchId, chunkNumber });
  return { batchId, chunkNumber, token: row.token };
}

/** Prolongs the lease. Answers whether the chunk is still to be delivered; `null` if the lease was lost. */
export async function renewLease(sql: Sql, lease: ChunkLease, leaseMs: number): Promise<boolean | null> {
  const { rows } = await sql.query<{ isWanted: boolean }>(
    `UPDATE import_queue_chunk c SET lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      WHERE ${IS_HELD}
     RETURNING ${IS_WANTED} AS "isWanted"`,
    [lease.batchId, lease.chunkNumber, lease.token, leaseMs],
  );
  return rows[0]?.isWanted ?? null;
}

/**
 * Locks the chunk of a lease until the end of the transaction. Answers whether it is still to be delivered.
 * @throws LeaseLostError if another worker has the chunk
 */
export async function lockLease(transaction: Transaction, lease: ChunkLease): Promise<boolean> {
  const { rows } = await transaction.query<{ isWanted: boolean }>(
    `SELECT ${IS_WANTED} AS "isWanted" FROM import_queue_chunk c WHERE ${IS_HELD} FOR UPDATE OF c`,
    [lease.batchId, lease.chunkNumber, lease.token],
  );
  const [row] = rows;
  if (row === undefined) throw new LeaseLostError(lease);
  return row.isWanted;
}

/** Gives the lease up without a result: the reconciler queues the chunk again. */
export async function releaseLease(sql: Sql, lease: ChunkLease): Promise<void> {
  await sql.query(
    `UPDATE import_queue_chunk c
        SET lease_token = lease_token + 1, lease_owner = NULL, lease_until = NULL
      WHERE ${IS_HELD}`,
    [lease.batchId, lease.chunkNumber, lease.token],
  );
}

/** What is known about a record that is being delivered. */
export interface DeliveryNote {
  line: number;
  /** Attempts that failed. */
  attempts: number;
  dueInMs: number;
  /** Whether the target answered other records after an attempt of this one had failed. */
  isSuspect: boolean;
  /** Whether it may have been sent and must not be sent again. */
  uncertain: boolean;
}

/** Stores notes about records of a chunk whose lease is locked. */
export async function writeDeliveryNotes(
  transaction: Transaction,
  batchId: number,
  notes: readonly DeliveryNote[],
): Promise<void> {
  await transaction.query(
    `INSERT INTO import_queue_delivery (workflow_import_queue_batch_id, line_number, attempts, due_at, uncertain, suspect)
     SELECT $1, line, attempts, clock_timestamp() + due * interval '1 millisecond', uncertain, suspect
       FROM unnest($2::integer[], $3::smallint[], $4::float8[], $5::boolean[], $6::boolean[])
         AS note (line, attempts, due, uncertain, suspect)
     ON CONFLICT (workflow_import_queue_batch_id, line_number)
     DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at, uncertain = excluded.uncertain,
       suspect = excluded.suspect`,
    [
      batchId,
      notes.map(({ line }) => line),
      notes.map(({ attempts }) => attempts),
      notes.map(({ dueInMs }) => dueInMs),
      notes.map(({ uncertain }) => uncertain),
      notes.map(({ isSuspect }) => isSuspect),
    ],
  );
}

/**
 * The target of a paused batch answered a record: the attempts that failed meanwhile may have been its fault and do not
 * count. If the records fail again, the fault is theirs.
 */
export async function forgiveAttempts(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query(
    `UPDATE import_queue_delivery SET attempts = 0, suspect = true
      WHERE workflow_import_queue_batch_id = $1 AND NOT uncertain`,
    [batchId],
  );
}

/** Adds outcomes to the counts of a chunk, in the transaction that writes the outcomes. `done` ends the chunk. */
export async function writeChunkProgress(
  transaction: Transaction,
  job: ChunkKey,
  counts: OutcomeCounts,
  done: boolean,
): Promise<void> {
  const { rowCount } = await transaction.query(
    `WITH chunk AS (
       UPDATE import_queue_chunk
        SET succeeded_count = succeeded_count + $3, failed_count = failed_count + $4,
            skipped_count = skipped_count + $5, canceled_count = canceled_count + $6,
            created_count = created_count + $7, updated_count = updated_count + $8,
            unchanged_count = unchanged_count + $9, unknown_count = unknown_count + $11,
            state = CASE WHEN $10 THEN 'done' ELSE state END,
            done_at = CASE WHEN $10 THEN clock_timestamp() END,
            lease_owner = CASE WHEN NOT $10 THEN lease_owner END,
            lease_until = CASE WHEN NOT $10 THEN lease_until END
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2 AND state = 'queued'
       RETURNING workflow_import_queue_batch_id
     ), counted AS (${countingChunk('chunk', { succeeded: '$3', failed: '$4', skipped: '$5', canceled: '$6' })})
     SELECT FROM chunk`,
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
      counts.unknown,
    ],
  );
  if (rowCount !== 1) throw new Error(`chunk ${job.chunkNumber} of batch ${job.batchId} is no longer queued`);
}

/**
 * Records why a run of the chunk was rolled back, and answers how many faults were counted. Transient faults do not
 * count: a database that is unavailable for an hour proves nothing against the records. A fault does not count either
 * once another worker has finished the chunk, which can happen as soon as the rollback has freed it.
 */
export async function writeChunkFault(
  sql: Sql,
  job: ChunkKey,
  message: string,
  transient: boolean,
): Promise<number> {
  const { rows } = await sql.query<{ attempts: number }>(
    `UPDATE import_queue_chunk
        SET attempts = attempts + CASE WHEN state = 'queued' THEN $3::integer ELSE 0 END, last_error = $4
      WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2
     RETURNING CASE WHEN state = 'queued' THEN attempts ELSE 0 END AS attempts`,
    [job.batchId, job.chunkNumber, transient ? 0 : 1, message],
  );
  return rows[0]?.attempts ?? 0;
}

/** Ends all chunks of an abandoned upload: its valid records are canceled. */
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

/** The cells of columns that are not imported, by line, for the lines of a range that have some. */
export async function selectLeftOut(
  sql: Sql,
  batchId: number,
  firstLine: number,
  lastLine: number,
): Promise<Map<number, readonly string[]>> {
  const { rows } = await sql.query<{ leftOut: Record<string, string[]> }>(
    `SELECT left_out AS "leftOut" FROM import_queue_chunk
      WHERE workflow_import_queue_batch_id = $1 AND last_line >= $2 AND first_line <= $3 AND left_out IS NOT NULL`,
    [batchId, firstLine, lastLine],
  );
  return new Map(
    rows.flatMap(({ leftOut }) =>
      Object.entries(leftOut).map(([line, cells]) => [Number(line), cells] as const),
    ),
  );
}

/** Those of the chunks that are not done. */
export async function selectUnfinishedOf(sql: Sql, chunks: readonly ChunkKey[]): Promise<ChunkKey[]> {
  const { rows } = await sql.query<ChunkKey>(
    `SELECT c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber"
       FROM unnest($1::bigint[], $2::integer[]) AS given (batch, chunk)
       JOIN import_queue_chunk c
         ON c.workflow_import_queue_batch_id = given.batch AND c.chunk_number = given.chunk
      WHERE c.state <> 'done'`,
    [chunks.map(({ batchId }) => batchId), chunks.map(({ chunkNumber }) => chunkNumber)],
  );
  return rows;
}

/** Deletes the chunks of an upload whose file is read in another way. */
export async function deleteChunks(transaction: Transaction, batchId: number): Promise<void> {
  await transaction.query('DELETE FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1', [
    batchId,
  ]);
}

/** A chunk as people know it: the rows of a file. */
export interface ChunkName extends ChunkKey {
  fileName: string;
  firstLine: number;
  lastLine: number;
}

/** Those of the chunks that exist. */
export async function selectChunkNames(sql: Sql, chunks: readonly ChunkKey[]): Promise<ChunkName[]> {
  const { rows } = await sql.query<ChunkName>(
    `SELECT c.workflow_import_queue_batch_id AS "batchId", c.chunk_number AS "chunkNumber",
            b.file_name AS "fileName", c.first_line AS "firstLine", c.last_line AS "lastLine"
       FROM unnest($1::bigint[], $2::integer[]) AS given (batch, chunk)
       JOIN import_queue_chunk c
         ON c.workflow_import_queue_batch_id = given.batch AND c.chunk_number = given.chunk
       JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = given.batch`,
    [chunks.map(({ batchId }) => batchId), chunks.map(({ chunkNumber }) => chunkNumber)],
  );
  return rows;
}
