import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CountMails1765400000000 implements MigrationInterface {
  readonly name = 'CountMails1765400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX outbox_failed, outbox_batch_mail_sent');
  }
}

/** For the limit of mails per key and hour, and for the metric of abandoned messages. */
const UP = `
  CREATE INDEX outbox_batch_mail_sent ON outbox (sent_at) WHERE kind = 'batch_mail' AND sent_at IS NOT NULL;
  CREATE INDEX outbox_failed ON outbox (kind) WHERE status = 'failed'`;
