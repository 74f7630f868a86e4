import type { MigrationInterface, QueryRunner } from 'typeorm';

export class FindUnconfirmedUploads1765800000000 implements MigrationInterface {
  readonly name = 'FindUnconfirmedUploads1765800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX import_queue_batch_unconfirmed');
  }
}

/** For the limit of unconfirmed uploads per key, and for the sweeper that abandons old ones. */
const UP = `
  CREATE INDEX import_queue_batch_unconfirmed ON import_queue_batch (created_by)
    WHERE status = 'awaiting_confirmation'`;
