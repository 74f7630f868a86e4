import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPauseReasons1765300000000 implements MigrationInterface {
  readonly name = 'AddPauseReasons1765300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  ALTER TABLE import_queue_batch
    ADD COLUMN pause_reason text CHECK (pause_reason IN ('manual', 'canary', 'error_budget', 'environment_fault',
      'target_unavailable')),
    ADD COLUMN pause_detail text,
    ADD COLUMN probe_at timestamptz;
  UPDATE import_queue_batch SET pause_reason = 'manual' WHERE status = 'paused';
  CREATE INDEX import_queue_batch_probed ON import_queue_batch (probe_at) WHERE probe_at IS NOT NULL`;

const DOWN = `
  ALTER TABLE import_queue_batch DROP COLUMN pause_reason, DROP COLUMN pause_detail, DROP COLUMN probe_at`;
