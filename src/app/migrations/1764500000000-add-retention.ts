import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddRetention1764500000000 implements MigrationInterface {
  readonly name = 'AddRetention1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  -- Null: what the installation says (RETENTION_DAYS). 0: kept for ever.
  ALTER TABLE import_process ADD COLUMN retention_days integer CHECK (retention_days >= 0);

  ALTER TABLE import_queue_batch
    -- From then on nobody reads its records any more; they are deleted in small steps.
    ADD COLUMN expired_at timestamptz,
    -- None of them is left. The row itself stays, with its counts.
    ADD COLUMN emptied_at timestamptz;
  CREATE INDEX import_queue_batch_to_expire ON import_queue_batch (finished_at)
    WHERE finished_at IS NOT NULL AND expired_at IS NULL;
  CREATE INDEX import_queue_batch_to_empty ON import_queue_batch (workflow_import_queue_batch_id)
    WHERE expired_at IS NOT NULL AND emptied_at IS NULL;
  CREATE INDEX behavior_outbox_sent ON behavior_outbox (sent_at) WHERE status = 'sent'`;

const DOWN = `
  DROP INDEX behavior_outbox_sent, import_queue_batch_to_expire, import_queue_batch_to_empty;
  ALTER TABLE import_queue_batch DROP COLUMN expired_at, DROP COLUMN emptied_at;
  ALTER TABLE import_process DROP COLUMN retention_days`;
