import type { MigrationInterface, QueryRunner } from 'typeorm';

export class StoreUploads1765900000000 implements MigrationInterface {
  readonly name = 'StoreUploads1765900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE upload_part; DROP TABLE upload');
  }
}

const UP = `
  -- The bytes of a file until its upload is confirmed or abandoned, so that it can be read again in another way.
  CREATE TABLE upload (
    upload_id uuid PRIMARY KEY,
    created_by text NOT NULL,
    file_name text NOT NULL,
    -- Bytes received so far.
    size bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Null until the file is complete and a batch was made from it.
    workflow_import_queue_batch_id bigint REFERENCES import_queue_batch ON DELETE CASCADE,
    -- While the file is read again in the background: the choices, who made them, a sign of life, and the rows so far.
    reading json,
    read_by text,
    reading_at timestamptz,
    rows_read integer NOT NULL DEFAULT 0,
    -- Why the last reading failed.
    reading_failure text
  );
  CREATE UNIQUE INDEX upload_batch ON upload (workflow_import_queue_batch_id)
    WHERE workflow_import_queue_batch_id IS NOT NULL;
  CREATE INDEX upload_without_batch ON upload (created_at) WHERE workflow_import_queue_batch_id IS NULL;
  CREATE INDEX upload_being_read ON upload (reading_at) WHERE reading_at IS NOT NULL;

  -- Parts of 1 MiB, the last one shorter; numbered from 0.
  CREATE TABLE upload_part (
    upload_id uuid NOT NULL REFERENCES upload ON DELETE CASCADE,
    part_number integer NOT NULL,
    -- Bytes of the file, before compression.
    size integer NOT NULL,
    -- Compressed with zstd.
    compressed boolean NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (upload_id, part_number)
  );
  ALTER TABLE upload_part ALTER COLUMN bytes SET STORAGE EXTERNAL`;
