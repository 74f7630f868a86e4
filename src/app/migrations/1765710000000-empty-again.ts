import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Retention used to leave the preview, the mail addresses and the quoted values of a batch: the next sweep deletes them. */
export class EmptyAgain1765710000000 implements MigrationInterface {
  readonly name = 'EmptyAgain1765710000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  /** What is deleted stays deleted, and the earlier program sets the same mark. */
  down(): Promise<void> {
    return Promise.resolve();
  }
}

const UP = `
  UPDATE import_queue_batch b
     SET emptied_at = NULL
   WHERE b.emptied_at IS NOT NULL
     AND (b.send_success_email_to IS NOT NULL OR b.send_failure_email_to IS NOT NULL OR b.upload IS NOT NULL
       OR EXISTS (SELECT FROM import_queue_preview p
                   WHERE p.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id))`;
