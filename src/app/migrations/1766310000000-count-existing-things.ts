import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CountExistingThings1766310000000 implements MigrationInterface {
  readonly name = 'CountExistingThings1766310000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_preview
        -- Things that existed when the preview was made, and those of them that would change, in the row of the last chunk.
        ADD COLUMN existing_things bigint,
        ADD COLUMN changed_things bigint`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE import_queue_preview DROP COLUMN existing_things, DROP COLUMN changed_things',
    );
  }
}
