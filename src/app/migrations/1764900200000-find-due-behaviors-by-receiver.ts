import type { MigrationInterface, QueryRunner } from 'typeorm';

export class FindDueBehaviorsByReceiver1764900200000 implements MigrationInterface {
  readonly name = 'FindDueBehaviorsByReceiver1764900200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/**
 * What is due is looked for by kind, and among webhooks by host: a host with a million of them is one step to pass. An
 * expression and no column, which would have every row written anew.
 */
const UP = `
  DROP INDEX behavior_outbox_due;
  CREATE INDEX behavior_outbox_due ON behavior_outbox (
      kind,
      (CASE kind WHEN 'webhook'
       THEN left(lower(coalesce(substring(recipient FROM '^[^:]*:[/\\\\]*([^/\\\\?#]*)'), '')), 255)
       ELSE '' END),
      next_attempt_at)
    WHERE status IN ('pending', 'sending')`;

const DOWN = `
  DROP INDEX behavior_outbox_due;
  CREATE INDEX behavior_outbox_due ON behavior_outbox (next_attempt_at) WHERE status IN ('pending', 'sending')`;
