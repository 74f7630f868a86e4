import type { MigrationInterface, QueryRunner } from 'typeorm';

export class StoreHashesUncompressed1764600000000 implements MigrationInterface {
  readonly name = 'StoreHashesUncompressed1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** Ordering keys are hashes, which do not compress: trying costs more than writing them. */
const UP = 'ALTER TABLE import_queue_chunk ALTER COLUMN ordering_keys SET STORAGE EXTERNAL';

const DOWN = 'ALTER TABLE import_queue_chunk ALTER COLUMN ordering_keys SET STORAGE EXTENDED';
