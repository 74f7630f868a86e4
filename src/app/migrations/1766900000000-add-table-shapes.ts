import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddTableShapes1766900000000 implements MigrationInterface {
  readonly name = 'AddTableShapes1766900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE table_shape (
        table_shape_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        connection text NOT NULL,
        schema_name text NOT NULL,
        table_name text NOT NULL,
        -- SHA-256 of the shapes as JSON.
        digest text NOT NULL,
        shapes jsonb NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (connection, schema_name, table_name, digest)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE table_shape');
  }
}
