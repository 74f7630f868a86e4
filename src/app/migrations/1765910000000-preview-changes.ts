import type { MigrationInterface, QueryRunner } from 'typeorm';

export class PreviewChanges1765910000000 implements MigrationInterface {
  readonly name = 'PreviewChanges1765910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE import_queue_preview
        DROP COLUMN changes, DROP COLUMN field_changes, DROP COLUMN cleared_values, DROP COLUMN cleared_rows,
        DROP COLUMN same_things`);
  }
}

/** Previews of earlier versions have no changes. */
const UP = `
  ALTER TABLE import_queue_preview
    -- [{"First Name": [before, after], …} or null, …], one for each outcome
    ADD COLUMN changes json,
    -- {"First Name": 12, …}: the updates of the chunk that change the field
    ADD COLUMN field_changes json,
    ADD COLUMN cleared_values integer NOT NULL DEFAULT 0,
    ADD COLUMN cleared_rows integer NOT NULL DEFAULT 0,
    -- [{"identifier": ":Email:ada@example.org", "lines": [2, 3]}, …], of the whole batch, in its last chunk
    ADD COLUMN same_things json;
  -- The rows live for days and are read a few times; compressing them would take longer than writing them.
  ALTER TABLE import_queue_preview ALTER COLUMN changes SET STORAGE EXTERNAL`;
