import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SaveMappings1767010000000 implements MigrationInterface {
  readonly name = 'SaveMappings1767010000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

/**
 * Columns were remembered one by one. Those of one confirmation have one time: they become a mapping together. Where
 * a file was matched anew, its columns have the later time.
 */
const UP = `
  CREATE TABLE saved_mapping (
    import_process_id bigint NOT NULL REFERENCES import_process ON DELETE CASCADE,
    name text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    -- Kept because someone matched the columns of a file, not saved under a name.
    automatic boolean NOT NULL DEFAULT false,
    -- Choices of the reading. json, not jsonb: columns keep their order.
    reading json NOT NULL DEFAULT '{}',
    columns json NOT NULL DEFAULT '{}',
    constants json NOT NULL DEFAULT '{}',
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_process_id, name)
  );
  INSERT INTO saved_mapping (import_process_id, name, automatic, columns, saved_by, saved_at)
    SELECT import_process_id,
           'Remembered columns' || CASE WHEN place > 1 THEN ' ' || place ELSE '' END,
           true, columns, mapped_by, mapped_at
      FROM (SELECT import_process_id, mapped_at, min(mapped_by) AS mapped_by,
                   json_object_agg(header, json_build_object('field', target) ORDER BY header) AS columns,
                   row_number() OVER (PARTITION BY import_process_id ORDER BY mapped_at DESC) AS place
              FROM import_process_column
             GROUP BY import_process_id, mapped_at) AS remembered
     WHERE place <= 100;
  DROP TABLE import_process_column`;

const DOWN = `
  CREATE TABLE import_process_column (
    import_process_id bigint NOT NULL REFERENCES import_process ON DELETE CASCADE,
    header text NOT NULL,
    target text,
    mapped_by text NOT NULL,
    mapped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_process_id, header)
  );
  INSERT INTO import_process_column (import_process_id, header, target, mapped_by, mapped_at)
    SELECT DISTINCT ON (import_process_id, header) import_process_id, header, mapped -> 'field' #>> '{}', saved_by, saved_at
      FROM saved_mapping, json_each(columns) AS c (header, mapped)
     ORDER BY import_process_id, header, saved_at DESC;
  DROP TABLE saved_mapping`;
