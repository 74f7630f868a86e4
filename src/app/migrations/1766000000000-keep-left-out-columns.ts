import type { MigrationInterface, QueryRunner } from 'typeorm';

export class KeepLeftOutColumns1766000000000 implements MigrationInterface {
  readonly name = 'KeepLeftOutColumns1766000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_chunk DROP COLUMN left_out');
  }
}

const UP = `
  -- The cells of the columns that are not imported, {line: [text, ...]}, so that downloads give them back. They stand with
  -- the chunk because most batches have none, and reading a record must not cost more for those that do.
  ALTER TABLE import_queue_chunk ADD COLUMN left_out json`;
