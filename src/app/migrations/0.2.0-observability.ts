import type { MigrationInterface, QueryRunner } from 'typeorm';

// Toward 0.2.0: statistics by hour, the list of workers, and traces.

export class KeepStatistics1767020000000 implements MigrationInterface {
  readonly name = 'KeepStatistics1767020000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(KEEP_STATISTICS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(KEEP_STATISTICS_DOWN);
  }
}

/** What happened before is taken from the counts of batches that have ended, and of chunks of those that run. */
const KEEP_STATISTICS_UP = `
  CREATE TABLE import_queue_statistics (
    -- The beginning of an hour in UTC.
    hour timestamptz NOT NULL,
    -- 0: the installation.
    import_process_id bigint NOT NULL,
    -- Connections add to different rows, so that chunks do not wait for each other. Hours that have passed have one row, -1.
    shard smallint NOT NULL,
    batches integer NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    canceled bigint NOT NULL DEFAULT 0,
    invalid bigint NOT NULL DEFAULT 0,
    -- How many batches took how long: the item n counts those of at most 2 ^ (n / 4) ms.
    durations integer[] NOT NULL DEFAULT '{}',
    slowest_ms bigint,
    slowest_batch_id bigint,
    database_bytes bigint,
    PRIMARY KEY (hour, import_process_id, shard)
  ) WITH (fillfactor = 50);
  INSERT INTO import_queue_statistics
    (hour, import_process_id, shard, batches, succeeded, failed, skipped, canceled, invalid)
  SELECT date_trunc('hour', finished_at, 'UTC'), import_process_id, -1, count(*), sum(succeeded_count),
         sum(failed_count + coalesce(unknown_count, 0)), sum(skipped_count), sum(canceled_count), sum(invalid_count)
    FROM import_queue_batch
   WHERE finished_at IS NOT NULL AND succeeded_count IS NOT NULL AND status <> 'validated'
     AND NOT (status = 'canceled' AND started_at IS NULL AND upload IS NOT NULL)
   GROUP BY 1, 2;
  INSERT INTO import_queue_statistics (hour, import_process_id, shard, succeeded, failed, skipped, canceled)
  SELECT date_trunc('hour', now(), 'UTC'), import_process_id, 0, sum(c.succeeded_count), sum(c.failed_count),
         sum(c.skipped_count), sum(c.canceled_count)
    FROM import_queue_batch b
    JOIN import_queue_chunk c USING (workflow_import_queue_batch_id)
   WHERE b.status IN ('queued', 'in_progress', 'paused', 'canceling')
   GROUP BY 1, 2;
  CREATE TABLE import_queue_worker (
    worker_id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    concurrency integer NOT NULL,
    -- The chunks that it processes: batchId, chunkNumber and since.
    activity json NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
  ) WITH (fillfactor = 50);
  ALTER TABLE import_queue_batch ADD COLUMN failures_viewed_at timestamptz;
  CREATE INDEX import_queue_batch_unviewed ON import_queue_batch (finished_at)
    WHERE status IN ('completed_with_errors', 'failed') AND failures_viewed_at IS NULL`;

const KEEP_STATISTICS_DOWN = `
  DROP TABLE import_queue_statistics, import_queue_worker;
  ALTER TABLE import_queue_batch DROP COLUMN failures_viewed_at`;

export class AddTraces1767040000000 implements MigrationInterface {
  readonly name = 'AddTraces1767040000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_batch ADD COLUMN traceparent text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_batch DROP COLUMN traceparent');
  }
}

/** A batch that no worker can take says so. */
export class SayWhyWorkersWait1767145400000 implements MigrationInterface {
  readonly name = 'SayWhyWorkersWait1767145400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_worker ADD COLUMN refusal text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_worker DROP COLUMN refusal');
  }
}
