import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Batch ids per partition until `PARTITION_BATCHES` says otherwise for later ones. */
const WIDTH = 1000;
const BATCH = 'workflow_import_queue_batch_id';
const TABLES = {
  import_queue_line: { pkey: 'line_number', after: '' },
  import_queue_outcome: {
    pkey: 'line_number',
    after: `CREATE INDEX import_queue_outcome_refused ON import_queue_outcome (${BATCH}, line_number) WHERE error_code IS NOT NULL`,
  },
  import_queue_preview: { pkey: 'chunk_number', after: '' },
} as const;
/** The first partition is the table as it was. */
const FIRST = '_p0';
/** Of the file of advisory locks: `partitions` and `partition`. */
const [CREATING, IN_USE] = [7_163_012, 7_163_013];
/**
 * Rows are inserted once and hardly ever change: statistics matter as soon as a load has ended, and what `Delete` or
 * erasure leaves behind is freed before it is a fifth of a large table.
 */
const AUTOVACUUM = {
  autovacuum_analyze_scale_factor: '0.05',
  autovacuum_vacuum_scale_factor: '0.05',
  autovacuum_vacuum_insert_scale_factor: '0.2',
};
const SETTINGS = Object.entries(AUTOVACUUM)
  .map(([name, value]) => `${name} = ${value}`)
  .join(', ');

/**
 * Partitions lines, outcomes and previews by ranges of batch ids (ADR 41). The present tables become the first
 * partitions: nothing is rewritten, but each is read once, which proves that its rows belong there.
 */
export class PartitionRecords1767050000000 implements MigrationInterface {
  readonly name = 'PartitionRecords1767050000000';

  async up(runner: QueryRunner): Promise<void> {
    const view = await recordView(runner);
    const [last] = (await runner.query(`
      SELECT greatest((SELECT max(${BATCH}) FROM import_queue_batch), (SELECT max(${BATCH}) FROM import_queue_line),
                      (SELECT max(${BATCH}) FROM import_queue_outcome), 0)::bigint AS id`)) as {
      id: number;
    }[];
    const beyond = (Math.floor(Number(last?.id ?? 0) / WIDTH) + 1) * WIDTH;
    // Rows of batches are never deleted, so the constraint protected nothing, and attaching a partition would lock batches.
    await runner.query(`ALTER TABLE import_queue_preview DROP CONSTRAINT import_queue_preview_${BATCH}_fkey`);
    for (const [table, { pkey, after }] of Object.entries(TABLES)) {
      await runner.query(`
        ALTER TABLE ${table} RENAME TO ${table}${FIRST};
        ALTER TABLE ${table}${FIRST} RENAME CONSTRAINT ${table}_pkey TO ${table}${FIRST}_pkey;
        ALTER TABLE ${table}${FIRST} SET (${SETTINGS})`);
      if (after !== '') await runner.query(`ALTER INDEX ${table}_refused RENAME TO ${table}${FIRST}_refused`);
      await runner.query(`
        CREATE TABLE ${table} (LIKE ${table}${FIRST} INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (${BATCH}, ${pkey}))
          PARTITION BY RANGE (${BATCH});
        ${after};
        ALTER TABLE ${table} ATTACH PARTITION ${table}${FIRST} FOR VALUES FROM (0) TO (${beyond})`);
    }
    await runner.query(`CREATE OR REPLACE VIEW import_queue_record AS ${view}`);
    const [{ schema } = { schema: 'public' }] = (await runner.query(
      'SELECT quote_ident(current_schema()) AS schema',
    )) as { schema: string }[];
    await runner.query(functions(schema));
    await runner.query(`
      INSERT INTO import_queue_partition (first_batch_id, end_batch_id) VALUES (0, ${beyond});
      SELECT import_queue_create_partitions(${WIDTH})`);
  }

  /** Puts the records of all partitions into one table again. Only those of later partitions are written. */
  async down(runner: QueryRunner): Promise<void> {
    const view = await recordView(runner);
    await runner.query(`
      DROP TRIGGER import_queue_batch_has_partition ON import_queue_batch;
      DROP FUNCTION import_queue_batch_has_partition();
      DROP FUNCTION import_queue_create_partitions(bigint);
      DROP FUNCTION import_queue_drop_partition(bigint);
      DROP FUNCTION import_queue_partition_of(bigint);
      DROP FUNCTION import_queue_create_partition(bigint, bigint);
      DROP TABLE import_queue_partition`);
    for (const [table, { after }] of Object.entries(TABLES)) {
      const [found] = (await runner.query(`SELECT to_regclass('${table}${FIRST}') IS NOT NULL AS first`)) as {
        first: boolean;
      }[];
      await runner.query(
        found?.first === true
          ? `ALTER TABLE ${table} DETACH PARTITION ${table}${FIRST}`
          : `CREATE TABLE ${table}${FIRST} (LIKE ${table} INCLUDING ALL)`,
      );
      await runner.query(`
        INSERT INTO ${table}${FIRST} SELECT * FROM ${table};
        ALTER TABLE ${table} RENAME TO ${table}_parts;
        ALTER TABLE ${table}_parts RENAME CONSTRAINT ${table}_pkey TO ${table}_parts_pkey`);
      if (after !== '') {
        await runner.query(`
          DROP INDEX ${table}_refused;
          DROP INDEX IF EXISTS ${table}${FIRST}_refused`);
      }
      await runner.query(`
        ALTER TABLE ${table}${FIRST} RESET (${Object.keys(AUTOVACUUM).join(', ')});
        ALTER TABLE ${table}${FIRST} RENAME CONSTRAINT ${table}${FIRST}_pkey TO ${table}_pkey;
        ALTER TABLE ${table}${FIRST} RENAME TO ${table};
        ${after}`);
    }
    await runner.query(`
      CREATE OR REPLACE VIEW import_queue_record AS ${view};
      DELETE FROM import_queue_preview p
       WHERE NOT EXISTS (SELECT FROM import_queue_batch b WHERE b.${BATCH} = p.${BATCH});
      ALTER TABLE import_queue_preview ADD FOREIGN KEY (${BATCH}) REFERENCES import_queue_batch ON DELETE CASCADE`);
    for (const table of Object.keys(TABLES)) await runner.query(`DROP TABLE ${table}_parts`);
  }
}

/** The view has the same columns as before, so that views of adopters on it stay. */
async function recordView(runner: QueryRunner): Promise<string> {
  const [row] = (await runner.query(
    `SELECT pg_get_viewdef('import_queue_record'::regclass) AS definition`,
  )) as { definition: string }[];
  if (row === undefined) throw new Error('the view import_queue_record is missing');
  return row.definition.replace(/;\s*$/, '');
}

/**
 * The functions run as the owner of the tables, because the role of the service need not be the owner. A new partition
 * is a table of its own that is then attached: unlike CREATE TABLE … PARTITION OF, this waits for no COPY.
 */
function functions(schema: string): string {
  const asOwner = `LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp`;
  return `
  CREATE TABLE import_queue_partition (
    first_batch_id bigint PRIMARY KEY,
    -- the first id after it
    end_batch_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- set when all of its batches have expired; its tables are being dropped
    dropping_at timestamptz,
    CHECK (first_batch_id < end_batch_id)
  );

  -- Creates what is missing of a partition. The caller holds the lock for creating.
  CREATE FUNCTION import_queue_create_partition(first bigint, beyond bigint) RETURNS void ${asOwner} AS $$
  DECLARE
    parent text;
    part text;
  BEGIN
    FOREACH parent IN ARRAY ARRAY['import_queue_line', 'import_queue_outcome', 'import_queue_preview'] LOOP
      part := parent || '_p' || first;
      IF to_regclass(quote_ident(part)) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) WITH (${SETTINGS})', part, parent);
      END IF;
      IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = part::regclass) THEN
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, part, first, beyond);
      END IF;
    END LOOP;
    INSERT INTO import_queue_partition (first_batch_id, end_batch_id) VALUES (first, beyond) ON CONFLICT DO NOTHING;
  END $$;

  -- Makes sure that the batch has a partition, and keeps it until the transaction ends.
  CREATE FUNCTION import_queue_partition_of(batch_id bigint) RETURNS void ${asOwner} AS $$
  DECLARE
    found import_queue_partition;
    width bigint;
    first bigint;
    beyond bigint;
  BEGIN
    SELECT * INTO found FROM import_queue_partition
     WHERE first_batch_id <= batch_id ORDER BY first_batch_id DESC LIMIT 1;
    IF found.end_batch_id > batch_id THEN
      PERFORM pg_advisory_xact_lock_shared(${IN_USE}, (found.first_batch_id % 2147483647)::integer);
      IF EXISTS (SELECT FROM import_queue_partition
                  WHERE first_batch_id = found.first_batch_id AND dropping_at IS NULL) THEN
        RETURN;
      END IF;
    END IF;
    PERFORM pg_advisory_xact_lock(${CREATING}, 0);
    SELECT * INTO found FROM import_queue_partition
     WHERE first_batch_id <= batch_id ORDER BY first_batch_id DESC LIMIT 1;
    IF found.end_batch_id > batch_id THEN
      first := found.first_batch_id;
      IF found.dropping_at IS NOT NULL THEN
        RAISE EXCEPTION 'the partition of batch % is being dropped', batch_id USING ERRCODE = 'object_in_use';
      END IF;
    ELSE
      SELECT end_batch_id - first_batch_id INTO width FROM import_queue_partition ORDER BY first_batch_id DESC LIMIT 1;
      width := coalesce(width, ${WIDTH});
      -- On the grid of that width, between its neighbours.
      first := greatest(batch_id - batch_id % width, found.end_batch_id);
      beyond := least(batch_id - batch_id % width + width,
                      (SELECT min(first_batch_id) FROM import_queue_partition WHERE first_batch_id > batch_id));
      PERFORM import_queue_create_partition(first, beyond);
    END IF;
    PERFORM pg_advisory_xact_lock_shared(${IN_USE}, (first % 2147483647)::integer);
  END $$;

  -- A trigger, so that no program and no person can insert a batch whose records would have no place.
  CREATE FUNCTION import_queue_batch_has_partition() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM import_queue_partition_of(NEW.${BATCH});
    RETURN NULL;
  END $$;
  CREATE TRIGGER import_queue_batch_has_partition AFTER INSERT ON import_queue_batch
    FOR EACH ROW EXECUTE FUNCTION import_queue_batch_has_partition();

  -- Creates partitions until the last one lies wholly ahead of the ids that were given out. Answers how many it created.
  CREATE FUNCTION import_queue_create_partitions(width bigint) RETURNS integer ${asOwner} AS $$
  DECLARE
    last bigint;
    beyond bigint;
    created integer := 0;
  BEGIN
    SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('import_queue_batch', '${BATCH}')::regclass), 0)
      INTO last;
    LOOP
      SELECT coalesce(max(end_batch_id), 0) INTO beyond FROM import_queue_partition;
      EXIT WHEN beyond > last + width;
      IF created = 0 AND NOT pg_try_advisory_xact_lock(${CREATING}, 0) THEN
        RETURN 0;
      END IF;
      SELECT coalesce(max(end_batch_id), 0) INTO beyond FROM import_queue_partition;
      EXIT WHEN beyond > last + width;
      -- Ids that someone skipped get a partition when they are used.
      beyond := greatest(beyond, last - last % width);
      PERFORM import_queue_create_partition(beyond, beyond + width);
      created := created + 1;
    END LOOP;
    RETURN created;
  END $$;

  -- Drops the tables of a partition that is marked. The caller bounds the time that this may wait for locks.
  CREATE FUNCTION import_queue_drop_partition(first bigint) RETURNS void ${asOwner} AS $$
  DECLARE
    parent text;
    part text;
    is_pending boolean;
  BEGIN
    IF NOT EXISTS (SELECT FROM import_queue_partition WHERE first_batch_id = first AND dropping_at IS NOT NULL) THEN
      RETURN;
    END IF;
    FOREACH parent IN ARRAY ARRAY['import_queue_line', 'import_queue_outcome', 'import_queue_preview'] LOOP
      part := parent || '_p' || first;
      SELECT inhdetachpending INTO is_pending FROM pg_inherits WHERE inhrelid = to_regclass(quote_ident(part));
      IF is_pending IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I%s', parent, part,
                       CASE WHEN is_pending THEN ' FINALIZE' ELSE '' END);
      END IF;
      EXECUTE format('DROP TABLE IF EXISTS %I', part);
    END LOOP;
    DELETE FROM import_queue_partition WHERE first_batch_id = first;
  END $$`;
}
