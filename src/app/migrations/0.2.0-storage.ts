import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isDeadlock, isLockNotAvailable } from '../../platform/database/postgres-errors.js';

// Toward 0.2.0: the errors of a record, and outcomes that are appended instead of updated.

export class AddRecordErrors1765500000000 implements MigrationInterface {
  readonly name = 'AddRecordErrors1765500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(ADD_RECORD_ERRORS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE import_queue_record DROP COLUMN row_number, DROP COLUMN errors');
  }
}

/** Nullable columns without a default: PostgreSQL changes its catalog only, whatever the size of the table. */
const ADD_RECORD_ERRORS_UP = `
  -- errors: all errors of a record that has several, [{code, message, pointer}]; the first is also in error_code.
  -- row_number: the row that a spreadsheet shows, where it differs from the line.
  ALTER TABLE import_queue_record ADD COLUMN errors jsonb, ADD COLUMN row_number integer`;

export class AppendOutcomes1765510000000 implements MigrationInterface {
  readonly name = 'AppendOutcomes1765510000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(APPEND_OUTCOMES_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(APPEND_OUTCOMES_DOWN);
  }
}

/**
 * Splits a record into its line, which is never updated, and its outcome, which is inserted once (ADR 28). No row is
 * rewritten: records that already have an outcome keep it in their line, and the view shows the one that exists.
 */
const APPEND_OUTCOMES_UP = `
  ALTER TABLE import_queue_record RENAME TO import_queue_line;
  ALTER TABLE import_queue_line RENAME CONSTRAINT import_queue_record_pkey TO import_queue_line_pkey;
  -- Without updates there is nothing to leave room for.
  ALTER TABLE import_queue_line RESET (fillfactor);

  CREATE TABLE import_queue_outcome (
    workflow_import_queue_batch_id bigint NOT NULL,
    line_number integer NOT NULL,
    -- c: created, u: updated, n: unchanged, s: skipped, f: failed, x: canceled, q: unknown
    outcome text NOT NULL,
    reference text,
    error_code text,
    error_message text,
    error_pointer text,
    errors jsonb,
    PRIMARY KEY (workflow_import_queue_batch_id, line_number)
  );

  -- For the queries of operators and their dashboards; the program reads the two tables by ranges of lines.
  CREATE VIEW import_queue_record AS
    SELECT l.workflow_import_queue_batch_id, l.line_number,
           CASE WHEN o.outcome IN ('c', 'u', 'n', 's', 'f', 'q') THEN 1::smallint ELSE l.attempts END AS attempts,
           CASE o.outcome WHEN 'c' THEN 'succeeded' WHEN 'u' THEN 'succeeded' WHEN 'n' THEN 'succeeded'
             WHEN 's' THEN 'skipped' WHEN 'f' THEN 'failed' WHEN 'x' THEN 'canceled' WHEN 'q' THEN 'unknown'
             ELSE l.status END AS status,
           CASE o.outcome WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'n' THEN 'unchanged'
             WHEN 'f' THEN 'rejected' ELSE l.operation END AS operation,
           coalesce(o.reference, l.reference) AS reference,
           coalesce(o.error_code, l.error_code) AS error_code,
           coalesce(o.error_message, l.error_message) AS error_message,
           coalesce(o.error_pointer, l.error_pointer) AS error_pointer,
           l.payload, l.origin_line, coalesce(o.errors, l.errors) AS errors, l.row_number
      FROM import_queue_line l
      LEFT JOIN import_queue_outcome o
        ON o.workflow_import_queue_batch_id = l.workflow_import_queue_batch_id AND o.line_number = l.line_number`;

/** Writes each outcome back into its line: a rewrite of these lines, in one transaction. */
const APPEND_OUTCOMES_DOWN = `
  UPDATE import_queue_line l
     SET attempts = r.attempts, status = r.status, operation = r.operation, reference = r.reference,
         error_code = r.error_code, error_message = r.error_message, error_pointer = r.error_pointer, errors = r.errors
    FROM import_queue_record r
    JOIN import_queue_outcome o
      ON o.workflow_import_queue_batch_id = r.workflow_import_queue_batch_id AND o.line_number = r.line_number
   WHERE l.workflow_import_queue_batch_id = r.workflow_import_queue_batch_id AND l.line_number = r.line_number;
  DROP VIEW import_queue_record;
  DROP TABLE import_queue_outcome;
  ALTER TABLE import_queue_line SET (fillfactor = 45);
  ALTER TABLE import_queue_line RENAME CONSTRAINT import_queue_line_pkey TO import_queue_record_pkey;
  ALTER TABLE import_queue_line RENAME TO import_queue_record`;

export class FindRefusedRecords1765520000000 implements MigrationInterface {
  readonly name = 'FindRefusedRecords1765520000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(FIND_REFUSED_RECORDS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX import_queue_outcome_refused');
  }
}

/** Records that succeeded have no entry, so the index is small and costs them nothing. */
const FIND_REFUSED_RECORDS_UP = `
  CREATE INDEX import_queue_outcome_refused ON import_queue_outcome (workflow_import_queue_batch_id, line_number)
    WHERE error_code IS NOT NULL`;

/**
 * The same index for lines, where invalid records have their error (ADR 46). Records arrive while it is built: each
 * partition gets it concurrently, which takes no lock that a load waits for, and is then attached. A new partition gets
 * it from the partitioned table. An interrupted migration is continued by the next run.
 */
export class FindInvalidRecords1767146000000 implements MigrationInterface {
  readonly name = 'FindInvalidRecords1767146000000';
  /** CREATE INDEX CONCURRENTLY cannot be part of one. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const columns = '(workflow_import_queue_batch_id, line_number) WHERE error_code IS NOT NULL';
    await withoutHoldingUpLoads(
      runner,
      `CREATE INDEX IF NOT EXISTS import_queue_line_refused ON ONLY import_queue_line ${columns}`,
    );
    for (const { table, isBuilt } of await partitionsWithoutIndex(runner)) {
      const index = `${table}_refused`;
      if (isBuilt === false) await runner.query(`DROP INDEX CONCURRENTLY ${index}`);
      if (isBuilt !== true) await runner.query(`CREATE INDEX CONCURRENTLY ${index} ON ${table} ${columns}`);
      await withoutHoldingUpLoads(runner, `ALTER INDEX import_queue_line_refused ATTACH PARTITION ${index}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX import_queue_line_refused');
  }
}

interface PartitionWithoutIndex {
  table: string;
  /** `null`: there is no such index; `false`: an interrupted migration left an invalid one. */
  isBuilt: boolean | null;
}

async function partitionsWithoutIndex(runner: QueryRunner): Promise<PartitionWithoutIndex[]> {
  const partitions: unknown = await runner.query(
    `SELECT part.relname AS "table", built.indisvalid AS "isBuilt"
       FROM pg_inherits AS child
       JOIN pg_class AS part ON part.oid = child.inhrelid
       LEFT JOIN pg_index AS built ON built.indexrelid = to_regclass(quote_ident(part.relname || '_refused'))
      WHERE child.inhparent = 'import_queue_line'::regclass AND NOT child.inhdetachpending
        AND NOT EXISTS (
              SELECT FROM pg_index AS index
                JOIN pg_inherits AS attached ON attached.inhrelid = index.indexrelid
               WHERE index.indrelid = part.oid AND attached.inhparent = 'import_queue_line_refused'::regclass)
      ORDER BY part.oid`,
  );
  return partitions as PartitionWithoutIndex[];
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 3_000;
const PATIENCE_MS = 15 * 60_000;

/**
 * Runs a statement whose lock waits for the loads that are running: those that begin meanwhile wait behind it, but only
 * for a moment, because it gives up and tries again.
 */
async function withoutHoldingUpLoads(runner: QueryRunner, statement: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      await runner.startTransaction();
      await runner.query(`SET LOCAL lock_timeout = ${wait}`);
      await runner.query(statement);
      await runner.commitTransaction();
      return;
    } catch (error) {
      await runner.rollbackTransaction();
      const isInTheWay = isLockNotAvailable(error) || isDeadlock(error);
      if (!isInTheWay || performance.now() > end) throw error;
      await sleep(wait);
    }
  }
}

export class DeriveCreations1767132000000 implements MigrationInterface {
  readonly name = 'DeriveCreations1767132000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DERIVE_CREATIONS_UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DERIVE_CREATIONS_DOWN);
  }
}

/**
 * From here on, the entry of a creation holds no values (ADR 43). Existing entries stay as they are: no row is rewritten.
 */
const DERIVE_CREATIONS_UP = `
  -- The values of a creation are those before its instance's next changes of them, or else those of the instance.
  CREATE FUNCTION workflow_log_changes(entry workflow_log) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN entry.changes ->> ':WorkflowCreated' IS NULL THEN entry.changes ELSE (
      SELECT coalesce(json_object_agg(name, json_build_array(NULL, value)), '{}')
        FROM (SELECT name, CASE WHEN later.name IS NULL THEN now.value ELSE later.value END AS value
                FROM (SELECT DISTINCT ON (change.key) change.key AS name, change.value -> 0 AS value
                        FROM workflow_log l CROSS JOIN LATERAL json_each(l.changes) AS change
                       WHERE l.workflow_instance_id = entry.workflow_instance_id
                         AND l.workflow_log_id > entry.workflow_log_id
                       ORDER BY change.key, l.workflow_log_id) AS later
                FULL JOIN (SELECT attribute.key AS name, attribute.value::json AS value
                             FROM workflow_instance i CROSS JOIN LATERAL jsonb_each(i.attributes) AS attribute
                            WHERE i.workflow_instance_id = entry.workflow_instance_id
                            UNION ALL
                           SELECT state.name, to_json(state.value)
                             FROM workflow_instance i
                            CROSS JOIN LATERAL (VALUES (':WorkflowStatus', i.status), (':WorkflowStep', i.step))
                                    AS state (name, value)
                            WHERE i.workflow_instance_id = entry.workflow_instance_id AND state.value IS NOT NULL
                          ) AS now USING (name)) AS first
       WHERE json_typeof(value) <> 'null') END
  $$`;

/** Gives the entries of creations their values back: a rewrite of these entries, in one transaction. */
const DERIVE_CREATIONS_DOWN = `
  UPDATE workflow_log l SET changes = workflow_log_changes(l) WHERE l.changes ->> ':WorkflowCreated' IS NOT NULL;
  DROP FUNCTION workflow_log_changes(workflow_log)`;
