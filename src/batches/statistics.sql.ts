import type { Sql, Transaction } from '../platform/database/database.service.js';

/*
 * import_queue_statistics: what happened within each hour in UTC, by import process. The transactions that write the
 * outcomes of a chunk, or the end of a batch, also add to it, so that it is exact at any time and no page reads records.
 *
 * Each connection of PostgreSQL has its own row of the hour, as far as the shards suffice: chunks that end at the same
 * time do not wait for each other. `compactStatistics` makes one row of each hour that has passed.
 */

const SHARDS = 64;
/** The row of an hour that has passed. */
const COMPACT = -1;
/** The import process of the rows that hold the size of the database. */
const INSTALLATION = 0;

/** The key of the row that this connection adds to now. */
const NOW = `date_trunc('hour', clock_timestamp(), 'UTC')`;
const SHARD = `pg_backend_pid() % ${SHARDS}`;

/** The item of `durations` for a duration in milliseconds: 2 ^ (item / 4) is at least the duration. */
const durationItem = (ms: string): string =>
  `least(128, greatest(1, ceil(4 * ln(greatest(${ms}, 1)) / ln(2))::integer))`;

/** The middle of an item of `durations`, in milliseconds: at most 9 % from each duration in it. */
export const durationOf = (item: number): number => 2 ** ((item - 0.5) / 4);

/**
 * A CTE that adds the outcomes of one chunk.
 * @param chunk a CTE with the id of the batch
 * @param counts SQL of the counts
 */
export function countingChunk(
  chunk: string,
  counts: Readonly<Record<'succeeded' | 'failed' | 'skipped' | 'canceled', string>>,
): string {
  return `INSERT INTO import_queue_statistics AS s (hour, import_process_id, shard, succeeded, failed, skipped, canceled)
     SELECT ${NOW}, b.import_process_id, ${SHARD},
            ${counts.succeeded}::integer, ${counts.failed}::integer, ${counts.skipped}::integer, ${counts.canceled}::integer
       FROM ${chunk} JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
     ON CONFLICT (hour, import_process_id, shard) DO UPDATE
        SET succeeded = s.succeeded + excluded.succeeded, failed = s.failed + excluded.failed,
            skipped = s.skipped + excluded.skipped, canceled = s.canceled + excluded.canceled`;
}

/**
 * A CTE that adds the end of a batch.
 * @param batch a CTE with the batch as it is after its end
 */
export function countingEnd(batch: string): string {
  const took = `extract(epoch FROM finished_at - coalesce(started_at, created_at)) * 1000`;
  const item = durationItem('excluded.slowest_ms');
  return `INSERT INTO import_queue_statistics AS s
       (hour, import_process_id, shard, batches, failed, invalid, durations, slowest_ms, slowest_batch_id)
     SELECT ${NOW}, import_process_id, ${SHARD}, 1, unknown_count, invalid_count,
            array_fill(0, ARRAY[${durationItem('ms')} - 1]) || 1, ms, workflow_import_queue_batch_id
       FROM ${batch} CROSS JOIN LATERAL (SELECT greatest(0, ${took})::bigint AS ms) took
     ON CONFLICT (hour, import_process_id, shard) DO UPDATE
        SET batches = s.batches + 1, failed = s.failed + excluded.failed, invalid = s.invalid + excluded.invalid,
            durations[${item}] = coalesce(s.durations[${item}], 0) + 1,
            slowest_batch_id = CASE WHEN s.slowest_ms >= excluded.slowest_ms THEN s.slowest_batch_id
                                    ELSE excluded.slowest_batch_id END,
            slowest_ms = greatest(s.slowest_ms, excluded.slowest_ms)`;
}

/**
 * A CTE that counts unknown records of a batch as succeeded, which its end had counted as failed: in the hour of that end,
 * if its statistics are still kept. The row of a connection may then hold a negative number; the sum of the rows does not.
 * @param batch a CTE with the batch and the number of `records`
 */
export function countingDelivered(batch: string): string {
  return `INSERT INTO import_queue_statistics AS s (hour, import_process_id, shard, succeeded, failed)
     SELECT hour, d.import_process_id, ${SHARD}, records, -records
       FROM ${batch} d CROSS JOIN LATERAL (SELECT date_trunc('hour', finished_at, 'UTC') AS hour) ended
      WHERE records > 0
        AND EXISTS (SELECT FROM import_queue_statistics k
                     WHERE k.hour = ended.hour AND k.import_process_id = d.import_process_id)
     ON CONFLICT (hour, import_process_id, shard) DO UPDATE
        SET succeeded = s.succeeded + excluded.succeeded, failed = s.failed + excluded.failed`;
}

/** Makes one row of the rows of each hour that has passed. Answers how many rows are gone. */
export async function compactStatistics(transaction: Transaction): Promise<number> {
  const { rows } = await transaction.query<{ gone: number }>(
    `WITH old AS (
       DELETE FROM import_queue_statistics o
        WHERE hour < ${NOW}
          AND EXISTS (SELECT FROM import_queue_statistics p
                       WHERE p.hour = o.hour AND p.import_process_id = o.import_process_id AND p.shard <> ${COMPACT})
       RETURNING *
     ), merged AS (
       SELECT hour, import_process_id, sum(batches) AS batches, sum(succeeded) AS succeeded, sum(failed) AS failed,
              sum(skipped) AS skipped, sum(canceled) AS canceled, sum(invalid) AS invalid,
              max(slowest_ms) AS slowest_ms,
              (array_agg(slowest_batch_id ORDER BY slowest_ms DESC NULLS LAST))[1] AS slowest_batch_id,
              max(database_bytes) AS database_bytes
         FROM old GROUP BY 1, 2
     ), added AS (
       INSERT INTO import_queue_statistics (hour, import_process_id, shard, batches, succeeded, failed, skipped,
         canceled, invalid, durations, slowest_ms, slowest_batch_id, database_bytes)
       SELECT hour, import_process_id, ${COMPACT}, batches, succeeded, failed, skipped, canceled, invalid,
              ARRAY(SELECT coalesce(sum(o.durations[item]), 0)
                      FROM generate_series(1, (SELECT coalesce(max(array_upper(durations, 1)), 0) FROM old p
                              WHERE p.hour = m.hour AND p.import_process_id = m.import_process_id)) item
                      LEFT JOIN old o ON o.hour = m.hour AND o.import_process_id = m.import_process_id
                     GROUP BY item ORDER BY item),
              slowest_ms, slowest_batch_id, database_bytes
         FROM merged m
       RETURNING 1
     )
     SELECT (SELECT count(*) FROM old)::integer - (SELECT count(*) FROM added)::integer AS gone`,
  );
  return rows[0]?.gone ?? 0;
}

/** Stores the size of the database, once per hour. */
export async function sampleStorage(sql: Sql): Promise<void> {
  await sql.query(
    `INSERT INTO import_queue_statistics (hour, import_process_id, shard, database_bytes)
     SELECT ${NOW}, ${INSTALLATION}, ${COMPACT}, pg_database_size(current_database())
      WHERE NOT EXISTS (SELECT FROM import_queue_statistics WHERE hour = ${NOW} AND import_process_id = ${INSTALLATION})
     ON CONFLICT DO NOTHING`,
  );
}

/** A span of hours, divided into parts of equal length. */
export interface StatisticsSpan {
  from: Date;
  partHours: number;
  /** Any of these import processes; `null`: all. */
  importProcessIds: readonly number[] | null;
}

export interface OutcomeSums {
  batches: number;
  succeeded: number;
  failed: number;
  invalid: number;
  skipped: number;
  canceled: number;
}

/** What happened within one part of the span. */
export interface StatisticsPart extends OutcomeSums {
  importProcessId: number;
  /** 0 is the part that begins at `from`. */
  part: number;
}

const OF_SPAN = `hour >= $1 AND import_process_id <> ${INSTALLATION}
        AND ($2::bigint[] IS NULL OR import_process_id = ANY ($2))`;

/** The parts in which something happened. */
export async function selectStatistics(
  sql: Sql,
  { from, partHours, importProcessIds }: StatisticsSpan,
): Promise<StatisticsPart[]> {
  const { rows } = await sql.query<StatisticsPart>(
    `SELECT import_process_id AS "importProcessId",
            (extract(epoch FROM hour - $1::timestamptz) / 3600)::integer / $3::integer AS part,
            sum(batches)::integer AS batches, sum(succeeded)::float8 AS succeeded, sum(failed)::float8 AS failed,
            sum(invalid)::float8 AS invalid, sum(skipped)::float8 AS skipped, sum(canceled)::float8 AS canceled
       FROM import_queue_statistics WHERE ${OF_SPAN}
      GROUP BY 1, 2 ORDER BY 2, 1`,
    [from, importProcessIds, partHours],
  );
  return rows;
}

/** How long the batches of an import process took. */
export interface Durations {
  importProcessId: number;
  /** Batches by item; see `durationOf`. */
  items: { item: number; count: number }[];
  slowestMs: number;
  slowestBatchId: number;
}

export async function selectDurations(
  sql: Sql,
  { from, importProcessIds }: StatisticsSpan,
): Promise<Durations[]> {
  const { rows } = await sql.query<Durations>(
    `SELECT slowest.import_process_id AS "importProcessId", slowest.slowest_ms AS "slowestMs",
            slowest.slowest_batch_id AS "slowestBatchId", counted.items
       FROM (SELECT DISTINCT ON (import_process_id) import_process_id, slowest_ms, slowest_batch_id
               FROM import_queue_statistics WHERE ${OF_SPAN} AND slowest_ms IS NOT NULL
              ORDER BY import_process_id, slowest_ms DESC) slowest
       JOIN (SELECT import_process_id, json_agg(json_build_object('item', item, 'count', count) ORDER BY item) AS items
               FROM (SELECT import_process_id, item, sum(durations[item]) AS count
                       FROM import_queue_statistics
                      CROSS JOIN LATERAL generate_subscripts(durations, 1) item
                      WHERE ${OF_SPAN}
                      GROUP BY 1, 2) item
              GROUP BY 1) counted USING (import_process_id)`,
    [from, importProcessIds],
  );
  return rows;
}

/** The size of the database, oldest first, at most one sample per part. */
export async function selectStorage(
  sql: Sql,
  { from, partHours }: Pick<StatisticsSpan, 'from' | 'partHours'>,
): Promise<{ at: Date; bytes: number }[]> {
  const { rows } = await sql.query<{ at: Date; bytes: number }>(
    `SELECT min(hour) AS at, max(database_bytes)::float8 AS bytes
       FROM import_queue_statistics WHERE hour >= $1 AND import_process_id = ${INSTALLATION}
      GROUP BY (extract(epoch FROM hour - $1::timestamptz) / 3600)::integer / $2::integer ORDER BY 1`,
    [from, partHours],
  );
  return rows;
}

/** A chunk that a worker processes. */
export interface RunningChunk {
  batchId: number;
  chunkNumber: number;
  /** RFC 3339. */
  since: string;
}

/** A process that takes chunks. */
export interface StoredWorker {
  id: string;
  host: string;
  pid: number;
  version: string;
  /** Chunks that it processes at a time, at most. */
  concurrency: number;
  /** Why it takes no chunks: it does not fit the schema. `null`: it does. */
  refusal: string | null;
  activity: RunningChunk[];
}

/** Stores that the worker is alive and what it does. Forgets workers that died long ago. */
export async function renewWorker(sql: Sql, worker: StoredWorker): Promise<void> {
  const { id, host, pid, version, concurrency, refusal, activity } = worker;
  await sql.query(
    `WITH dead AS (DELETE FROM import_queue_worker WHERE seen_at < now() - interval '1 hour')
     INSERT INTO import_queue_worker (worker_id, host, pid, version, concurrency, refusal, activity)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (worker_id) DO UPDATE
        SET refusal = excluded.refusal, activity = excluded.activity, seen_at = now()`,
    [id, host, pid, version, concurrency, refusal, JSON.stringify(activity)],
  );
}

export async function removeWorker(sql: Sql, id: string): Promise<void> {
  await sql.query('DELETE FROM import_queue_worker WHERE worker_id = $1', [id]);
}

/** A worker, with the files that it works on. */
export interface LiveWorker extends Omit<StoredWorker, 'activity'> {
  startedAt: Date;
  chunks: (RunningChunk & {
    fileName: string;
    importProcessId: number;
    firstLine: number;
    lastLine: number;
  })[];
}

/** The workers that have shown life within the last seconds. */
export async function selectWorkers(sql: Sql, withinSeconds: number): Promise<LiveWorker[]> {
  const { rows } = await sql.query<LiveWorker>(
    `SELECT worker_id AS id, host, pid, version, concurrency, refusal, started_at AS "startedAt",
            coalesce((SELECT json_agg(json_build_object(
                        'batchId', c.workflow_import_queue_batch_id, 'chunkNumber', c.chunk_number,
                        'since', running.since, 'fileName', b.file_name, 'importProcessId', b.import_process_id,
                        'firstLine', c.first_line, 'lastLine', c.last_line)
                        ORDER BY c.workflow_import_queue_batch_id, c.chunk_number)
                        FROM json_to_recordset(w.activity)
                          AS running ("batchId" bigint, "chunkNumber" integer, since text)
                        JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = running."batchId"
                        JOIN import_queue_chunk c ON c.workflow_import_queue_batch_id = running."batchId"
                         AND c.chunk_number = running."chunkNumber"), '[]') AS chunks
       FROM import_queue_worker w
      WHERE seen_at > now() - make_interval(secs => $1)
      ORDER BY host, pid, worker_id`,
    [withinSeconds],
  );
  return rows;
}

/** Batches that need a person, and the age of the oldest waiting chunk. */
export interface Attention {
  /** In seconds; 0 if no chunk waits. */
  lagSeconds: number;
  batches: {
    id: number;
    kind: 'unconfirmed' | 'paused' | 'unviewed';
    fileName: string;
    importProcessName: string;
    pauseReason: string | null;
    pauseDetail: string | null;
    /** Records that failed or are invalid. */
    failed: number;
    at: Date;
    /** How many there are of this kind. */
    count: number;
  }[];
}

/** Failures that ended longer ago do not ask for attention. */
const UNVIEWED_DAYS = 30;
/** Batches shown of each kind, newest first. */
const SHOWN = 5;

export async function selectAttention(
  sql: Sql,
  importProcessIds: readonly number[] | null,
): Promise<Attention> {
  const [lag, batches] = await Promise.all([
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float8 AS seconds
         FROM import_queue_chunk WHERE state = 'queued'`,
    ),
    sql.query<Attention['batches'][number]>(
      `SELECT id, kind, file_name AS "fileName", v.name AS "importProcessName", pause_reason AS "pauseReason",
              pause_detail AS "pauseDetail", invalid_count + coalesce(failed_count + unknown_count, 0) AS failed, at,
              count
         FROM (SELECT *, workflow_import_queue_batch_id AS id, count(*) OVER (PARTITION BY kind)::integer AS count,
                      row_number() OVER (PARTITION BY kind ORDER BY at DESC, workflow_import_queue_batch_id DESC) AS place
                 FROM (SELECT *, 'unconfirmed' AS kind, created_at AS at FROM import_queue_batch
                        WHERE status = 'awaiting_confirmation'
                       UNION ALL
                       SELECT *, 'paused', coalesce(started_at, created_at) FROM import_queue_batch
                        WHERE status = 'paused'
                       UNION ALL
                       SELECT *, 'unviewed', finished_at FROM import_queue_batch
                        WHERE status IN ('completed_with_errors', 'failed') AND failures_viewed_at IS NULL
                          AND finished_at > now() - interval '${UNVIEWED_DAYS} days') found
                WHERE $1::bigint[] IS NULL OR import_process_id = ANY ($1)) b
         JOIN import_process_version v
           ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
        WHERE place <= ${SHOWN}
        ORDER BY kind, place`,
      [importProcessIds],
    ),
  ]);
  return { lagSeconds: lag.rows[0]?.seconds ?? 0, batches: batches.rows };
}

/**
 * A person has seen the failures of these batches; without an id, of all that ended until now.
 * @param importProcessIds any of these; `null`: all
 */
export async function markFailuresViewed(
  sql: Sql,
  batchId: number | null,
  importProcessIds: readonly number[] | null,
): Promise<void> {
  await sql.query(
    `UPDATE import_queue_batch SET failures_viewed_at = now()
      WHERE status IN ('completed_with_errors', 'failed') AND failures_viewed_at IS NULL
        AND ($1::bigint IS NULL OR workflow_import_queue_batch_id = $1)
        AND ($2::bigint[] IS NULL OR import_process_id = ANY ($2))`,
    [batchId, importProcessIds],
  );
}
