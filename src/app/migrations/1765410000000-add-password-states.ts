import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPasswordStates1765410000000 implements MigrationInterface {
  readonly name = 'AddPasswordStates1765410000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  ALTER TABLE app_user
    -- Someone else set the password: the user must change it before anything else.
    ADD COLUMN password_is_temporary boolean NOT NULL DEFAULT false,
    -- Hash of the BOOTSTRAP_ADMIN_PASSWORD applied last, so that a restart does not undo a change of the password.
    ADD COLUMN bootstrap_password_hash text`;

const DOWN = `
  ALTER TABLE app_user DROP COLUMN password_is_temporary, DROP COLUMN bootstrap_password_hash`;
