import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddUploads1764300000000 implements MigrationInterface {
  readonly name = 'AddUploads1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE import_process_column;
      ALTER TABLE import_queue_record DROP COLUMN origin_line;
      ALTER TABLE import_queue_batch DROP COLUMN upload`);
  }
}

const UP = `
  -- What was understood of an uploaded file. json, not jsonb: columns keep their order.
  ALTER TABLE import_queue_batch ADD COLUMN upload json;
  -- Its line in the batch whose results it was downloaded with. Null, and so no byte, for all other records.
  ALTER TABLE import_queue_record ADD COLUMN origin_line integer;

  -- Which column of a row a header stands for, as somebody said once; used for every later file of the process.
  CREATE TABLE import_process_column (
    import_process_id bigint NOT NULL REFERENCES import_process ON DELETE CASCADE,
    header text NOT NULL,
    -- null: the column is left out.
    target text,
    mapped_by text NOT NULL,
    mapped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_process_id, header)
  )`;
