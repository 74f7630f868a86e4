import type { MigrationInterface, QueryRunner } from 'typeorm';

export class RunPreviewsInBackground1766330000000 implements MigrationInterface {
  readonly name = 'RunPreviewsInBackground1766330000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A preview of a large batch that is being made after the answer. The row is deleted at its end.
      CREATE TABLE import_queue_preview_run (
        workflow_import_queue_batch_id bigint PRIMARY KEY REFERENCES import_queue_batch ON DELETE CASCADE,
        total integer NOT NULL,
        previewed integer NOT NULL DEFAULT 0,
        alive_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE import_queue_preview_run');
  }
}
