import type { MigrationInterface, QueryRunner } from 'typeorm';

export class KeepAnswersAsGiven1765000000000 implements MigrationInterface {
  readonly name = 'KeepAnswersAsGiven1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** A replayed answer equals the first one to the byte: `json` keeps the order of its members, `jsonb` does not. */
const UP = 'ALTER TABLE idempotency_key ALTER COLUMN response TYPE json';

const DOWN = 'ALTER TABLE idempotency_key ALTER COLUMN response TYPE jsonb';
