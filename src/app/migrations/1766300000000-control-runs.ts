import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ControlRuns1766300000000 implements MigrationInterface {
  readonly name = 'ControlRuns1766300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** A table of its own: most batches have no wishes, and the row of a batch is written often. */
const UP = `
  ALTER TABLE import_process_version
    ADD COLUMN max_failed integer CHECK (max_failed >= 0),
    ADD COLUMN max_failed_percent double precision CHECK (max_failed_percent BETWEEN 0 AND 100),
    ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high'));

  CREATE TABLE import_queue_batch_control (
    workflow_import_queue_batch_id bigint PRIMARY KEY REFERENCES import_queue_batch ON DELETE CASCADE,
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    not_before timestamptz,
    expires_at timestamptz CHECK (expires_at > not_before),
    max_failed integer CHECK (max_failed >= 0),
    max_failed_percent double precision CHECK (max_failed_percent BETWEEN 0 AND 100),
    -- Failures before the last resumption from a pause for the error budget.
    forgiven_count integer NOT NULL DEFAULT 0,
    canary integer CHECK (canary > 0),
    -- The last line of the canary, from the time the batch is queued until the batch pauses behind it.
    canary_line integer,
    mute_behaviors boolean NOT NULL DEFAULT false
  );
  CREATE INDEX import_queue_batch_control_expiring ON import_queue_batch_control (expires_at)
    WHERE expires_at IS NOT NULL`;

const DOWN = `
  DROP TABLE import_queue_batch_control;
  ALTER TABLE import_process_version
    DROP COLUMN max_failed, DROP COLUMN max_failed_percent, DROP COLUMN priority`;
