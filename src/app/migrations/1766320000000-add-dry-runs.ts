import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddDryRuns1766320000000 implements MigrationInterface {
  readonly name = 'AddDryRuns1766320000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(statuses(`'failed', 'validated'`));
  }

  /** Earlier versions do not know dry runs, which have processed nothing. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TEMPORARY TABLE dry_run ON COMMIT DROP AS
        SELECT workflow_import_queue_batch_id FROM import_queue_batch WHERE status = 'validated';
      DELETE FROM import_queue_line WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run);
      DELETE FROM idempotency_key WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run);
      DELETE FROM import_queue_batch WHERE workflow_import_queue_batch_id IN (SELECT * FROM dry_run)`);
    await runner.query(statuses(`'failed'`));
  }
}

const statuses = (last: string) => `
  ALTER TABLE import_queue_batch
    DROP CONSTRAINT import_queue_batch_status_check,
    ADD CONSTRAINT import_queue_batch_status_check CHECK (status IN ('receiving', 'awaiting_confirmation', 'queued',
      'in_progress', 'paused', 'canceling', 'canceled', 'completed', 'completed_with_errors', ${last}))`;
