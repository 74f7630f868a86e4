import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddPermissions1765200000000 implements MigrationInterface {
  readonly name = 'AddPermissions1765200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = `
  UPDATE api_key SET permissions = array_append(permissions, 'ReadOwnImports')
  WHERE 'BeginWorkflowImportProcess' = ANY (permissions) AND NOT 'ReadOwnImports' = ANY (permissions);

  -- With Configure, a key that is limited to some import processes could change the workflows and keys of all others.
  UPDATE api_key SET permissions = array_remove(permissions, 'Configure')
  WHERE import_process_ids IS NOT NULL AND 'Configure' = ANY (permissions);
  ALTER TABLE api_key ADD CONSTRAINT api_key_limit_fits
    CHECK (import_process_ids IS NULL OR NOT permissions && ARRAY['Configure', 'Administer']);

  CREATE INDEX import_queue_batch_by_creator ON import_queue_batch (created_by, workflow_import_queue_batch_id);

  -- Null: every import process.
  ALTER TABLE app_user ADD COLUMN import_process_ids bigint[],
    ADD CONSTRAINT app_user_limit_fits CHECK (import_process_ids IS NULL OR role <> 'administrator')`;

const DOWN = `
  DROP INDEX import_queue_batch_by_creator;
  ALTER TABLE app_user DROP CONSTRAINT app_user_limit_fits, DROP COLUMN import_process_ids;
  ALTER TABLE api_key DROP CONSTRAINT api_key_limit_fits;
  UPDATE api_key SET permissions = array_remove(array_remove(permissions, 'ReadOwnImports'), 'Administer')`;
