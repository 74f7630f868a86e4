import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPreview1764300100000 implements MigrationInterface {
  readonly name = 'AddPreview1764300100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(PREVIEW);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE import_queue_preview');
  }
}

const PREVIEW = `
  -- What the records of a batch would turn into, one row per chunk: a thousand times fewer rows than records.
  CREATE TABLE import_queue_preview (
    workflow_import_queue_batch_id bigint NOT NULL REFERENCES import_queue_batch ON DELETE CASCADE,
    chunk_number integer NOT NULL,
    create_count integer NOT NULL,
    update_count integer NOT NULL,
    unchanged_count integer NOT NULL,
    skip_count integer NOT NULL,
    reject_count integer NOT NULL,
    -- [[line, operation, reference, error code, message, pointer], …] in line order
    outcomes json NOT NULL,
    PRIMARY KEY (workflow_import_queue_batch_id, chunk_number)
  )`;
