import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ResumeUploads1766340000000 implements MigrationInterface {
  readonly name = 'ResumeUploads1766340000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- An upload that arrives in several requests; its bytes are in upload_part, exactly as a single request has them.
      CREATE TABLE upload_resource (
        upload_id uuid PRIMARY KEY REFERENCES upload ON DELETE CASCADE,
        route text NOT NULL CHECK (route IN ('CreateBatch', 'Uploads')),
        -- Of the request that began it: the query, and the headers that describe the body.
        query json NOT NULL,
        headers json NOT NULL,
        -- The length that the client announced.
        length bigint,
        -- The request that may append; a later request takes its place.
        writer uuid NOT NULL,
        -- Once it is sealed: the batch that was made from it, and the answer.
        batch_id bigint REFERENCES import_queue_batch ON DELETE CASCADE,
        answer json
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE upload_resource');
  }
}
