import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ExtendAuditLog1765700000000 implements MigrationInterface {
  readonly name = 'ExtendAuditLog1765700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  ALTER TABLE audit_log
    ADD COLUMN outcome text NOT NULL DEFAULT 'done' CHECK (outcome IN ('done', 'refused')),
    -- Equal refusals of one minute share a row.
    ADD COLUMN occurrences integer NOT NULL DEFAULT 1 CHECK (occurrences > 0);
  UPDATE audit_log SET outcome = 'refused' WHERE action = 'sign_in_failed';
  CREATE INDEX audit_log_by_actor ON audit_log (actor, audit_id);
  CREATE INDEX audit_log_by_action ON audit_log (action, audit_id);
  CREATE INDEX audit_log_by_time ON audit_log (happened_at)`;

const DOWN = `
  DROP INDEX audit_log_by_actor, audit_log_by_action, audit_log_by_time;
  ALTER TABLE audit_log DROP COLUMN outcome, DROP COLUMN occurrences`;
