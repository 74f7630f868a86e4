import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The oldest program that may work on the schema. Programs before 0.2.0 do not read this value, so their workers must
 * be stopped.
 */
export class AddSchemaCompatibility1765320000000 implements MigrationInterface {
  readonly name = 'AddSchemaCompatibility1765320000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE schema_compatibility');
  }
}

const UP = `
  CREATE TABLE schema_compatibility (
    compatible_from text NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
  );
  INSERT INTO schema_compatibility (compatible_from) VALUES ('0.2.0-alpha.1')`;
