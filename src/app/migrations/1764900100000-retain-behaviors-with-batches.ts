import type { MigrationInterface, QueryRunner } from 'typeorm';

export class RetainBehaviorsWithBatches1764900100000 implements MigrationInterface {
  readonly name = 'RetainBehaviorsWithBatches1764900100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/**
 * An ended row is in one of the two indexes, depending on what decides its retention: one extra write per row, as
 * before.
 */
const UP = `
  -- Null also where it failed from the start, or ended before there was this column.
  ALTER TABLE behavior_outbox ADD COLUMN ended_at timestamptz;
  DROP INDEX behavior_outbox_sent;
  CREATE INDEX behavior_outbox_ended_of_batch ON behavior_outbox (workflow_import_queue_batch_id)
    WHERE workflow_import_queue_batch_id IS NOT NULL AND status IN ('sent', 'failed', 'not_sent_no_smtp');
  CREATE INDEX behavior_outbox_ended_of_none ON behavior_outbox ((coalesce(ended_at, sent_at, created_at)))
    WHERE workflow_import_queue_batch_id IS NULL AND status IN ('sent', 'failed', 'not_sent_no_smtp')`;

const DOWN = `
  DROP INDEX behavior_outbox_ended_of_batch, behavior_outbox_ended_of_none;
  ALTER TABLE behavior_outbox DROP COLUMN ended_at;
  CREATE INDEX behavior_outbox_sent ON behavior_outbox (sent_at) WHERE status = 'sent'`;
