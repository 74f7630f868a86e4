import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddRecordErrors1765500000000 implements MigrationInterface {
  readonly name = 'AddRecordErrors1765500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_record DROP COLUMN row_number, DROP COLUMN errors');
  }
}

/** Nullable columns without a default: PostgreSQL changes its catalog only, whatever the size of the table. */
const UP = `
  -- errors: all errors of a record that has several, [{code, message, pointer}]; the first is also in error_code.
  -- row_number: the row that a spreadsheet shows, where it differs from the line.
  ALTER TABLE import_queue_record ADD COLUMN errors jsonb, ADD COLUMN row_number integer`;
