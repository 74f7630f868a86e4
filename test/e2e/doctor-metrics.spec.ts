import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { repair, REPAIRS } from '../../src/operations/doctor/repairs.js';
import { ChildProgram } from '../support/child-program.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { createEmptyDatabase } from '../support/test-database.js';

describe('a database', () => {
  let test: TestApp;
  let sql: Client;
  let client: ImportClient;
  let id: number;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '2' });
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
    client = new ImportClient(test.url);
    const importProcessId = await client.setUp();
    const rows = [1, 2, 3, 4].map((n) => member(n));
    const { body } = await client.createBatch(jsonl([...rows, member(5, { 'First Name': null })]), {
      importProcessId,
      sendFailureEmailTo: 'owner@example.org',
    });
    id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await client.ended(id);
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const doctor = async (...flags: string[]) => {
    const program = new ChildProgram('src/operations/doctor/main.ts', flags, {
      DATABASE_URL: test.database.url,
    });
    return { code: await program.end(), output: program.output };
  };
  const metrics = async () => (await client.get('/metrics')).body as string;

  /** Break it: in `transition`, exchange two counts. */
  it('without damage passes every check', async () => {
    expect(await doctor()).toEqual({
      code: 0,
      output: expect.stringMatching(/^All is well: \d+ invariants hold/),
    });
  });

  /** The invariant that breaks, the statement that breaks it, and the one that repairs it. */
  const DAMAGES: [code: string, damage: string, mend: string][] = [
    [
      'batch_totals',
      'UPDATE import_queue_batch SET total_count = 9',
      'UPDATE import_queue_batch SET total_count = 5',
    ],
    [
      'batch_end_counts',
      'UPDATE import_queue_batch SET succeeded_count = 3, failed_count = 1',
      'UPDATE import_queue_batch SET succeeded_count = 4, failed_count = 0',
    ],
    [
      'chunk_counts_add_up',
      'UPDATE import_queue_chunk SET unknown_count = 1 WHERE chunk_number = 1',
      'UPDATE import_queue_chunk SET unknown_count = 0',
    ],
    [
      'ended_batch_has_open_chunk',
      `UPDATE import_queue_chunk SET state = 'pending' WHERE chunk_number = 2`,
      `UPDATE import_queue_chunk SET state = 'done'`,
    ],
    [
      'terminal_has_end',
      `UPDATE import_queue_batch SET finished_at = NULL`,
      `UPDATE import_queue_batch SET finished_at = now()`,
    ],
    [
      'batch_not_ended',
      `WITH done AS (UPDATE import_queue_chunk SET done_at = now() - interval '10 minutes')
       UPDATE import_queue_batch SET status = 'in_progress', finished_at = NULL, created_at = now() - interval '1 day'`,
      `WITH done AS (UPDATE import_queue_chunk SET done_at = now())
       UPDATE import_queue_batch SET status = 'completed_with_errors', finished_at = now(), created_at = now()`,
    ],
    [
      'chunk_not_progressing',
      `UPDATE import_queue_chunk SET state = 'queued', queued_at = now() - interval '2 hours' WHERE chunk_number = 2`,
      `UPDATE import_queue_chunk SET state = 'done' WHERE chunk_number = 2`,
    ],
    ['owed_mail', `UPDATE outbox SET outcome = 'success'`, `UPDATE outbox SET outcome = 'failure'`],
    [
      'outbox_stuck',
      `UPDATE outbox SET status = 'pending', next_attempt_at = now() - interval '2 hours', locked_until = NULL`,
      `UPDATE outbox SET status = 'not_sent_no_smtp'`,
    ],
    [
      'chunk_lines',
      'UPDATE import_queue_chunk SET first_line = 2 WHERE chunk_number = 2',
      'UPDATE import_queue_chunk SET first_line = 3 WHERE chunk_number = 2',
    ],
    [
      'chunk_counts',
      `UPDATE import_queue_outcome SET outcome = 'f' WHERE line_number = 1`,
      `UPDATE import_queue_outcome SET outcome = 'c' WHERE line_number = 1`,
    ],
    [
      'partitions',
      'ALTER TABLE import_queue_preview DETACH PARTITION import_queue_preview_p1000',
      'ALTER TABLE import_queue_preview ATTACH PARTITION import_queue_preview_p1000 FOR VALUES FROM (1000) TO (2000)',
    ],
    [
      'orphan_partitions',
      'CREATE TABLE import_queue_line_p77000 (LIKE import_queue_line)',
      'DROP TABLE import_queue_line_p77000',
    ],
    [
      'orphan_records',
      `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, payload) VALUES (999, 1, '{}')`,
      'DELETE FROM import_queue_line WHERE workflow_import_queue_batch_id = 999',
    ],
    [
      'orphan_outcomes',
      `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome) VALUES (999, 1, 'c')`,
      'DELETE FROM import_queue_outcome WHERE workflow_import_queue_batch_id = 999',
    ],
    [
      'log_entries',
      'UPDATE workflow_log SET line_number = 77 WHERE line_number = 1',
      'UPDATE workflow_log SET line_number = 1 WHERE line_number = 77',
    ],
    [
      'created_once',
      `UPDATE import_queue_outcome r SET reference = o.reference FROM import_queue_outcome o
        WHERE r.line_number = 1 AND o.line_number = 2`,
      `UPDATE import_queue_outcome r SET reference = l.workflow_instance_id FROM workflow_log l
        WHERE r.line_number = 1 AND l.line_number = 1`,
    ],
    [
      'identifiers',
      `UPDATE workflow_identifier SET value = 'somebody else' WHERE value = 'M-1'`,
      `UPDATE workflow_identifier SET value = 'M-1' WHERE value = 'somebody else'`,
    ],
    [
      'identifier_collisions',
      `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
       SELECT workflow_id, name, 'M-1', workflow_instance_id, workflow_instance_id
         FROM workflow_identifier WHERE value = 'M-2'`,
      `DELETE FROM workflow_identifier WHERE value = 'M-1' AND distinguisher <> 0`,
    ],
    [
      'status_fits_counts',
      `UPDATE import_queue_batch SET status = 'completed'`,
      `UPDATE import_queue_batch SET status = 'completed_with_errors'`,
    ],
    [
      'receiving_too_long',
      `UPDATE import_queue_batch SET status = 'receiving', created_at = now() - interval '3 days'`,
      `UPDATE import_queue_batch SET status = 'completed_with_errors', created_at = now()`,
    ],
    [
      'ends_after_creation',
      `UPDATE import_queue_batch SET finished_at = created_at - interval '1 hour'`,
      `UPDATE import_queue_batch SET finished_at = created_at`,
    ],
    [
      'idempotency_answers',
      `INSERT INTO idempotency_key (principal, key, owner, locked_until, workflow_import_queue_batch_id)
       VALUES ('test', 'lost', gen_random_uuid(), now(), 999)`,
      `DELETE FROM idempotency_key WHERE key = 'lost'`,
    ],
    [
      'current_version',
      'UPDATE import_process SET current_version = current_version + 1',
      'UPDATE import_process SET current_version = current_version - 1',
    ],
    [
      'sent_has_time',
      `UPDATE outbox SET status = 'sent', sent_at = NULL`,
      `UPDATE outbox SET status = 'not_sent_no_smtp'`,
    ],
    [
      'emptied_has_no_records',
      'UPDATE import_queue_batch SET emptied_at = now()',
      'UPDATE import_queue_batch SET emptied_at = NULL',
    ],
    [
      'outcomes_are_explained',
      `UPDATE import_queue_outcome SET outcome = 'f' WHERE line_number = 1`,
      `UPDATE import_queue_outcome SET outcome = 'c' WHERE line_number = 1`,
    ],
    [
      'log_instances',
      'UPDATE workflow_log SET workflow_instance_id = -workflow_instance_id WHERE line_number = 1',
      'UPDATE workflow_log SET workflow_instance_id = -workflow_instance_id WHERE line_number = 1',
    ],
    [
      'undo_outcomes',
      `UPDATE import_queue_outcome SET outcome = 'r' WHERE line_number = 1`,
      `UPDATE import_queue_outcome SET outcome = 'c' WHERE line_number = 1`,
    ],
    [
      'identifier_workflows',
      `UPDATE workflow_identifier SET workflow_id = workflow_id + 1 WHERE value = 'M-1'`,
      `UPDATE workflow_identifier SET workflow_id = workflow_id - 1 WHERE value = 'M-1'`,
    ],
  ];

  /** Break it: in `INVARIANTS`, let one find nothing. */
  it('that is damaged gets a report of the damage and how to repair it', async () => {
    for (const [code, damage, mend] of DAMAGES) {
      // The reconciler or sender of the application must not repair it in the meantime.
      await sql.query('BEGIN; SET LOCAL session_replication_role = replica');
      await sql.query(damage);
      const { rows } = await sql.query(askedHere(code));
      expect([code, rows.length]).toEqual([code, 1]);
      await sql.query(mend);
      const { rows: left } = await sql.query(askedHere(code));
      expect([code, left]).toEqual([code, []]);
      await sql.query('ROLLBACK');
    }
  });

  /** Break it: in `INVARIANTS`, rename one. */
  it('has a damage for each invariant', () => {
    expect(DAMAGES.map(([code]) => code).toSorted()).toEqual(INVARIANTS.map(({ code }) => code).toSorted());
  });

  /** Beside the damages above, those of which only another form can be repaired. */
  const REPAIRABLE: [code: string, damage: string][] = [
    ...DAMAGES.filter(([code]) => code in REPAIRS && !['chunk_counts', 'owed_mail'].includes(code)).map(
      ([code, damage]): [string, string] => [code, damage],
    ),
    [
      'chunk_counts',
      'UPDATE import_queue_chunk SET succeeded_count = 1, created_count = 1, failed_count = 1 WHERE chunk_number = 1',
    ],
    ['owed_mail', 'DELETE FROM outbox'],
    ['identifiers', `DELETE FROM workflow_identifier WHERE value = 'M-1'`],
    [
      'identifiers',
      `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
       SELECT workflow_id, ':Former', 'x', 0, workflow_instance_id FROM workflow_identifier WHERE value = 'M-1'`,
    ],
    [
      'identifiers',
      `UPDATE workflow_identifier x SET value = CASE x.value WHEN 'M-1' THEN 'M-2' ELSE 'M-1' END, distinguisher = 7
        WHERE x.value IN ('M-1', 'M-2')`,
    ],
  ];

  /** Break it: in `REPAIRS`, update nothing. */
  it.each(REPAIRABLE)('that is damaged is repaired on request: %s', async (code, damage) => {
    await sql.query('BEGIN; SET LOCAL session_replication_role = replica');
    try {
      await sql.query(damage);
      const invariants = INVARIANTS.filter((each) => each.code === code);
      expect(await examine(sql, invariants)).toHaveLength(1);
      const violations = await examine(sql, INVARIANTS);
      expect(await repair(sql, violations)).toContainEqual({ code, changed: expect.any(Number), left: 0 });
      // The repair does no other damage.
      const after = await examine(sql, INVARIANTS);
      expect(after.map((found) => found.invariant.code)).toEqual([]);
    } finally {
      await sql.query('ROLLBACK');
    }
  });

  it('has a damage for each repair', () => {
    expect(new Set(REPAIRABLE.map(([code]) => code))).toEqual(new Set(Object.keys(REPAIRS)));
  });

  /** What looks repairable, and would hide that something else was lost. */
  const LEFT_TO_PEOPLE: [what: string, code: string, damage: string][] = [
    [
      'a changed outcome',
      'chunk_counts',
      `UPDATE import_queue_outcome SET outcome = 'f' WHERE line_number = 1`,
    ],
    ['a lost record', 'chunk_counts', 'DELETE FROM import_queue_line WHERE line_number = 1'],
    [
      'the total of a batch that lost a record',
      'batch_totals',
      `WITH lost AS (DELETE FROM import_queue_line WHERE line_number = 1)
       UPDATE import_queue_batch SET total_count = 4`,
    ],
    [
      'an open chunk whose record has no outcome',
      'ended_batch_has_open_chunk',
      `WITH lost AS (DELETE FROM import_queue_outcome WHERE line_number = 3)
       UPDATE import_queue_chunk SET state = 'pending' WHERE chunk_number = 2`,
    ],
    [
      'an unknown table with rows',
      'orphan_partitions',
      `CREATE TABLE import_queue_line_p77000 AS SELECT * FROM import_queue_line LIMIT 1`,
    ],
    [
      'an identifier that another instance has',
      'identifiers',
      `UPDATE workflow_instance SET attributes = attributes || '{":UniqueId": "M-2"}'
        WHERE attributes ->> ':UniqueId' = 'M-1'`,
    ],
  ];

  /** Break it: in `REPAIRS`, leave out a condition that compares with the records. */
  it.each(LEFT_TO_PEOPLE)('that is damaged is left to people: %s', async (_what, code, damage) => {
    await sql.query('BEGIN; SET LOCAL session_replication_role = replica');
    try {
      await sql.query(damage);
      const violations = await examine(sql, INVARIANTS);
      expect(violations.map(({ invariant }) => invariant.code)).toContain(code);
      const reports = await repair(sql, violations);
      expect(reports.find((report) => report.code === code)?.left).toBeGreaterThan(0);
    } finally {
      await sql.query('ROLLBACK');
    }
  });

  /** Break it: in `doctor/main.ts`, commit without `--apply`. */
  it('that is damaged is changed only with --apply', async () => {
    const succeeded = async () => {
      const { rows } = await sql.query('SELECT succeeded_count AS count FROM import_queue_batch');
      return rows[0].count as number;
    };
    await sql.query('UPDATE import_queue_batch SET succeeded_count = 3, failed_count = 1');
    const tried = await doctor('--repair');
    expect([tried.code, await succeeded()]).toEqual([1, 3]);
    expect(tried.output).toContain('Would repair batch_end_counts: 1 rows');
    const applied = await doctor('--repair', '--apply');
    expect([applied.code, await succeeded()]).toEqual([0, 4]);
    expect(applied.output).toContain('Repaired batch_end_counts: 1 rows');
  });

  /** Break it: in the invariant `identifiers`, leave out the collation. */
  it('that sorts as Turkish does gets no false alarm', async () => {
    await sql.query(`CREATE COLLATION turkish (provider = icu, locale = 'tr-TR')`);
    await sql.query('BEGIN; SET LOCAL session_replication_role = replica');
    await sql.query(`ALTER TABLE workflow_identifier ALTER COLUMN value TYPE text COLLATE turkish`);
    await sql.query(
      `UPDATE workflow_instance SET attributes = attributes || '{":UniqueId": "IRIS"}'
        WHERE attributes->>':UniqueId' = 'M-1'`,
    );
    await sql.query(`UPDATE workflow_identifier SET value = 'iris' WHERE value = 'M-1'`);
    const { rows } = await sql.query(askedHere('identifiers'));
    await sql.query('ROLLBACK');
    expect(rows).toEqual([]);
  });

  /** Break it: in `doctor/main.ts`, leave out the exit code. */
  it('that is damaged makes the command exit with 1 and name the rows', async () => {
    await sql.query('UPDATE import_queue_batch SET succeeded_count = 3, failed_count = 1');
    const found = await doctor('--quick');
    await sql.query('UPDATE import_queue_batch SET succeeded_count = 4, failed_count = 0');
    expect(found.code).toBe(1);
    expect(found.output).toMatch(/NOT TRUE \(1 times\): the counts of a batch .*\[batch_end_counts\]/);
    expect(found.output).toContain(`"batch": ${id}`.replace(' ', ''));
    expect(found.output).toContain('What to do: ');
  });

  /** Break it: in `doctor/main.ts`, end with 1. */
  it('that cannot be reached makes it exit with 2', async () => {
    const program = new ChildProgram('src/operations/doctor/main.ts', [], {
      DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/none',
    });
    expect(await program.end()).toBe(2);
    expect(program.output).toContain('cannot be used');
    expect(program.output).not.toContain('secret');
  });

  /** Break it: in `doctor/main.ts`, leave out `finally`. */
  it('whose schema does not fit makes it exit with 2', async () => {
    const empty = await createEmptyDatabase();
    const program = new ChildProgram('src/operations/doctor/main.ts', [], { DATABASE_URL: empty.url });
    expect(await program.end()).toBe(2);
    expect(program.output).toContain('does not exist');
    await empty.drop();
  });

  /** Break it: in `databaseUrlOf`, throw an Error. */
  it('that is not named ends it with 2 and a sentence, not a stack', async () => {
    const program = new ChildProgram('src/operations/doctor/main.ts', [], { DATA_DIR: '/nonexistent' });
    expect(await program.end()).toBe(2);
    expect(program.output).toMatch(/^Set DATABASE_URL to the database to examine/);
    expect(program.output).not.toMatch(/\n\s+at /);
  });

  /** Break it: in `processRecords`, leave out `recordsMeasured`. */
  it('is reported to Prometheus: batches, records, chunks, jobs, outboxes, waiting work, and violations', async () => {
    const text = await metrics();
    for (const line of [
      'workflow_import_queue_batches{status="completed_with_errors"} 1',
      'workflow_import_queue_batches{status="queued"} 0',
      `workflow_import_queue_records_processed_total{import_process="1",outcome="succeeded"} 4`,
      'workflow_import_queue_chunk_duration_seconds_count{result="done"} 2',
      'workflow_import_queue_outbox_pending{outbox="notification"} 0',
      'workflow_import_queue_outbox_failed{outbox="notification"} 0',
      'workflow_import_queue_outbox_failed{outbox="behavior"} 0',
      'workflow_import_queue_oldest_waiting_seconds{kind="batch"} 0',
      'workflow_import_queue_oldest_waiting_seconds{kind="chunk"} 0',
      'workflow_import_queue_batch_duration_seconds_count{status="completed_with_errors"} 1',
      'workflow_import_queue_admission_open 0',
      'workflow_import_queue_chunk_window 8',
      'workflow_import_queue_redis_up 1',
      'workflow_import_queue_queue_paused{queue="import-chunks"} 0',
      'workflow_import_queue_batches_paused{reason="error_budget"} 0',
      'workflow_import_queue_batch_stalled_seconds 0',
      'workflow_import_queue_database_connections{state="waited_for"} 0',
      'workflow_import_queue_invariant_violations{invariant="batch_totals"} 0',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(/^workflow_import_queue_queue_jobs\{queue="[\w-]+",state="waiting"\} \d+$/m);
    expect(text).toMatch(/^workflow_import_queue_build_info\{version="\d+\.\d+\.\d+[\w.-]*"\} 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
  });

  /** Break it: in `Reconciler.reconcile`, leave out `finishIfDone`, or `requeueLost`. */
  it.each([
    [
      'batch_not_ended',
      `WITH done AS (UPDATE import_queue_chunk SET done_at = now() - interval '10 minutes'),
            mail AS (DELETE FROM outbox)
       UPDATE import_queue_batch SET status = 'in_progress', finished_at = NULL, succeeded_count = NULL,
              failed_count = NULL, skipped_count = NULL, canceled_count = NULL, unknown_count = NULL,
              created_count = NULL, updated_count = NULL, unchanged_count = NULL`,
    ],
    [
      'chunk_not_progressing',
      `WITH logged AS (DELETE FROM workflow_log WHERE line_number > 2),
            record AS (DELETE FROM import_queue_outcome WHERE line_number IN (3, 4)),
            mail AS (DELETE FROM outbox),
            chunk AS (UPDATE import_queue_chunk SET state = 'queued', queued_at = now() - interval '2 hours', done_at = NULL,
                             succeeded_count = 0, created_count = 0 WHERE chunk_number = 2)
       UPDATE import_queue_batch SET status = 'in_progress', finished_at = NULL, succeeded_count = NULL,
              failed_count = NULL, skipped_count = NULL, canceled_count = NULL, unknown_count = NULL,
              created_count = NULL, updated_count = NULL, unchanged_count = NULL`,
    ],
  ])('that is damaged in a way a running worker repairs (%s) is repaired by it', async (code, damage) => {
    const invariant = INVARIANTS.find((each) => each.code === code);
    expect(invariant?.repair).toMatch(/worker/i);
    // Only this transaction sees the damage until it is committed.
    await sql.query('BEGIN');
    await sql.query(damage);
    expect((await sql.query(askedHere(code))).rowCount).toBe(1);
    await sql.query('COMMIT');
    await client.ended(id);
    expect((await examine(sql, INVARIANTS)).map((found) => [found.invariant.code, found.rows])).toEqual([]);
  });
});

/** The invariant, asked on the connection that sees the damage. */
function askedHere(code: string): string {
  const invariant = INVARIANTS.find((each) => each.code === code);
  if (invariant === undefined) throw new Error(`there is no invariant ${code}`);
  return `SELECT * FROM (${invariant.sql}) broken LIMIT 1`;
}
