import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddFixes1766100000000 implements MigrationInterface {
  readonly name = 'AddFixes1766100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** Rows that were fixed on a page had `retry_of`, which now means a retry of all failed records only. */
const UP = `
  ALTER TABLE import_queue_batch ADD COLUMN resend_of bigint REFERENCES import_queue_batch;
  UPDATE import_queue_batch SET resend_of = retry_of, retry_of = NULL
    WHERE retry_of IS NOT NULL AND creation_path = 'IMPORT_QUEUE_UI';
  CREATE INDEX import_queue_batch_by_resent ON import_queue_batch (resend_of, workflow_import_queue_batch_id)
    WHERE resend_of IS NOT NULL;

  CREATE TABLE fix_draft (
    workflow_import_queue_batch_id bigint NOT NULL REFERENCES import_queue_batch ON DELETE CASCADE,
    created_by text NOT NULL,
    -- [{field, from, to}], applied in this order before the cells.
    replacements json NOT NULL DEFAULT '[]',
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workflow_import_queue_batch_id, created_by)
  );
  CREATE TABLE fix_draft_cell (
    workflow_import_queue_batch_id bigint NOT NULL,
    created_by text NOT NULL,
    line_number integer NOT NULL,
    -- Empty: whether the row is sent ('yes' or 'no').
    field text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (workflow_import_queue_batch_id, created_by, line_number, field),
    FOREIGN KEY (workflow_import_queue_batch_id, created_by) REFERENCES fix_draft ON DELETE CASCADE
  )`;

const DOWN = `
  DROP TABLE fix_draft_cell, fix_draft;
  UPDATE import_queue_batch SET retry_of = resend_of WHERE resend_of IS NOT NULL AND retry_of IS NULL;
  ALTER TABLE import_queue_batch DROP COLUMN resend_of`;
