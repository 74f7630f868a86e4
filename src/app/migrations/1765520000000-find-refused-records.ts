import type { MigrationInterface, QueryRunner } from 'typeorm';

export class FindRefusedRecords1765520000000 implements MigrationInterface {
  readonly name = 'FindRefusedRecords1765520000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX import_queue_outcome_refused');
  }
}

/** Records that succeeded have no entry, so the index is small and costs them nothing. */
const UP = `
  CREATE INDEX import_queue_outcome_refused ON import_queue_outcome (workflow_import_queue_batch_id, line_number)
    WHERE error_code IS NOT NULL`;
