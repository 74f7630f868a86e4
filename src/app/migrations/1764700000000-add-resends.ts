import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddResends1764700000000 implements MigrationInterface {
  readonly name = 'AddResends1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/** Rows fixed in a page are sent page by page: a batch has one retry at a time, but any number of resends. */
const UP = `
  DROP INDEX import_queue_batch_one_retry;
  CREATE UNIQUE INDEX import_queue_batch_one_retry ON import_queue_batch (retry_of)
    WHERE retry_of IS NOT NULL AND status <> 'canceled' AND creation_path = 'IMPORT_QUEUE_RETRY';
  CREATE INDEX import_queue_batch_by_parent ON import_queue_batch (retry_of, workflow_import_queue_batch_id)
    WHERE retry_of IS NOT NULL`;

/** The earlier schema has no place for them: the sent rows stay, without the link. */
const DOWN = `
  DROP INDEX import_queue_batch_by_parent, import_queue_batch_one_retry;
  UPDATE import_queue_batch SET retry_of = NULL
    WHERE retry_of IS NOT NULL AND creation_path <> 'IMPORT_QUEUE_RETRY';
  CREATE UNIQUE INDEX import_queue_batch_one_retry ON import_queue_batch (retry_of)
    WHERE retry_of IS NOT NULL AND status <> 'canceled'`;
