import type { MigrationInterface, QueryRunner } from 'typeorm';

export class DescribeSessions1765600000000 implements MigrationInterface {
  readonly name = 'DescribeSessions1765600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  ALTER TABLE user_session
    -- Names the session to its owner. The hash stays in the database.
    ADD COLUMN session_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    -- By which its owner recognizes it: the client address of the last recorded use, and what the browser calls itself.
    ADD COLUMN address text,
    ADD COLUMN user_agent text`;

const DOWN = `
  ALTER TABLE user_session DROP COLUMN session_id, DROP COLUMN address, DROP COLUMN user_agent`;
