import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddUndo1766910000000 implements MigrationInterface {
  readonly name = 'AddUndo1766910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** The view of records, with the outcomes of an undo or without them. */
function view(undo: boolean): string {
  const when = (code: string, name: string) => (undo ? `WHEN '${code}' THEN '${name}'` : '');
  return `
  CREATE OR REPLACE VIEW import_queue_record AS
    SELECT l.workflow_import_queue_batch_id, l.line_number,
           CASE WHEN o.outcome IN ('c', 'u', 'n', 's', 'f', 'q'${undo ? ", 'r', 'k'" : ''}) THEN 1::smallint
             ELSE l.attempts END AS attempts,
           CASE o.outcome WHEN 'c' THEN 'succeeded' WHEN 'u' THEN 'succeeded' WHEN 'n' THEN 'succeeded'
             WHEN 's' THEN 'skipped' WHEN 'f' THEN 'failed' WHEN 'x' THEN 'canceled' WHEN 'q' THEN 'unknown'
             ${when('r', 'succeeded')} ${when('k', 'skipped')} ELSE l.status END AS status,
           CASE o.outcome WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'n' THEN 'unchanged'
             WHEN 'f' THEN 'rejected' ${when('r', 'reverted')} ${when('k', 'kept')} ELSE l.operation END AS operation,
           coalesce(o.reference, l.reference) AS reference,
           coalesce(o.error_code, l.error_code) AS error_code,
           coalesce(o.error_message, l.error_message) AS error_message,
           coalesce(o.error_pointer, l.error_pointer) AS error_pointer,
           l.payload, l.origin_line, coalesce(o.errors, l.errors) AS errors, l.row_number
      FROM import_queue_line l
      LEFT JOIN import_queue_outcome o
        ON o.workflow_import_queue_batch_id = l.workflow_import_queue_batch_id AND o.line_number = l.line_number`;
}

/**
 * An undo is a batch of its own. `workflow_log` needs no change: an entry holds the values before and after, and the
 * whole instance if the record created it (ADR 35).
 */
const UP = `
  ALTER TABLE import_queue_batch ADD COLUMN undo_of bigint REFERENCES import_queue_batch,
    -- An undo reverts the last effect first, so that its chunks are numbered from the last line to the first one.
    ADD COLUMN last_line_first boolean NOT NULL DEFAULT false;
  CREATE INDEX import_queue_batch_by_undone ON import_queue_batch (undo_of, workflow_import_queue_batch_id)
    WHERE undo_of IS NOT NULL;
  ${view(true)}`;

/** The counts of an undo stay; its records then have neither operation nor status. */
const DOWN = `
  ${view(false)};
  ALTER TABLE import_queue_batch DROP COLUMN undo_of, DROP COLUMN last_line_first`;
