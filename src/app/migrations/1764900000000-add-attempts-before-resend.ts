import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddAttemptsBeforeResend1764900000000 implements MigrationInterface {
  readonly name = 'AddAttemptsBeforeResend1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/**
 * The number of attempts at the time when a user asked for the message to be sent again: the back-off counts from
 * there. `attempts` itself never restarts, because it is the fencing token of the sender.
 */
const UP = `
  ALTER TABLE behavior_outbox ADD COLUMN attempts_before_resend integer NOT NULL DEFAULT 0;
  ALTER TABLE notification ADD COLUMN attempts_before_resend integer NOT NULL DEFAULT 0`;

const DOWN = `
  ALTER TABLE behavior_outbox DROP COLUMN attempts_before_resend;
  ALTER TABLE notification DROP COLUMN attempts_before_resend`;
