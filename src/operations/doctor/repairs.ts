import { examine, type InvariantViolation } from './examination.js';
import { recordsBetween } from '../../batches/records.sql.js';
import { normalFormSql } from '../../workflows/engine/instances.sql.js';
import {
  COUNT_LISTS,
  COUNT_SUMS_OF_CHUNKS,
  COUNTED_RECORDS,
  ENDED_STATUSES,
  BATCH_IS_KEPT,
  NOT_SUCCEEDED,
} from './counts.js';
import { INVARIANTS } from './invariants.js';

/** When a batch ended: its last chunk says so. */
const END = `greatest(b.created_at, coalesce((SELECT max(c.done_at) FROM import_queue_chunk c
              WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id), now()))`;

const RECORDS_OF_CHUNK = recordsBetween('c.workflow_import_queue_batch_id', 'c.first_line', 'c.last_line');

/**
 * The counts of chunks, from their records. A record that is missing, or whose outcome was changed, must not be counted
 * away: all records of the batch must be there, and the counts of a batch that has ended must agree with them.
 */
const RECOUNT = `
    WITH counted AS (
      SELECT c.workflow_import_queue_batch_id, c.chunk_number, n.*
        FROM import_queue_chunk c
        JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
       CROSS JOIN LATERAL (SELECT count(*)::integer AS total,
                                  count(*) FILTER (WHERE r.status = 'invalid')::integer AS invalid, ${COUNTED_RECORDS}
                             FROM ${RECORDS_OF_CHUNK} r) n
       WHERE ${BATCH_IS_KEPT}
    ), sums AS (
      SELECT workflow_import_queue_batch_id, sum(total) AS total, sum(invalid) AS invalid, ${COUNT_LISTS.sums}
        FROM counted GROUP BY 1
    )
    UPDATE import_queue_chunk c SET invalid_count = n.invalid, ${COUNT_LISTS.assignments('n')}
      FROM counted n
      JOIN sums s USING (workflow_import_queue_batch_id)
      JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
     WHERE c.workflow_import_queue_batch_id = n.workflow_import_queue_batch_id AND c.chunk_number = n.chunk_number
       AND n.total = c.record_count AND (s.total, s.invalid) = (b.total_count, b.invalid_count)
       AND (c.state <> 'done' OR n.invalid + ${COUNT_LISTS.outcomes('n')} = n.total)
       AND (b.finished_at IS NULL OR (${COUNT_LISTS.columns('b')}) IS NOT DISTINCT FROM (${COUNT_LISTS.values('s')}))
       AND (c.invalid_count, ${COUNT_LISTS.columns('c')}) IS DISTINCT FROM (n.invalid, ${COUNT_LISTS.values('n')})`;

/**
 * The identifiers that the attributes of instances state, as `workflow_identifier` holds them. Case is folded by the
 * program, which PostgreSQL follows surely for ASCII only.
 */
const STATED_IDENTIFIERS = `
      SELECT i.workflow_id, i.workflow_instance_id, a.name, f.value,
             CASE WHEN coalesce((d.rule ->> 'unique')::boolean, false) THEN 0 ELSE i.workflow_instance_id END AS distinguisher
        FROM workflow_instance i
       CROSS JOIN LATERAL (SELECT key AS name, ${normalFormSql('value')} AS form
                             FROM jsonb_each_text(i.attributes) WHERE key LIKE ':%' AND value IS NOT NULL) a
        JOIN workflow w USING (workflow_id)
        JOIN workflow_definition v ON v.workflow_id = w.workflow_id AND v.version = w.current_version
       CROSS JOIN LATERAL (SELECT e AS rule FROM json_array_elements(v.definition -> 'identifiers') e
                            WHERE e ->> 'name' = a.name) d
       CROSS JOIN LATERAL (SELECT coalesce((d.rule ->> 'caseInsensitive')::boolean, false) AS ignores_case) c
       CROSS JOIN LATERAL (SELECT CASE WHEN c.ignores_case THEN lower(a.form COLLATE "C") ELSE a.form END AS value) f
       WHERE NOT c.ignores_case OR a.form ~ '^[\\x20-\\x7e]*$'`;

/**
 * What `npm run doctor -- --repair` does, by invariant: statements that repair every violation. Only where one side of
 * the contradiction is certain; everything else needs a person, or a worker, who sees what the invariant says. In the
 * order in which they run: counts of chunks first, because those of batches follow from them.
 */
export const REPAIRS: Readonly<Record<string, string>> = {
  chunk_counts: RECOUNT,
  chunk_counts_add_up: RECOUNT,
  batch_totals: `
    UPDATE import_queue_batch b SET total_count = c.total, invalid_count = c.invalid, chunk_count = c.chunks
      FROM (SELECT workflow_import_queue_batch_id, sum(record_count)::integer AS total,
                   sum(invalid_count)::integer AS invalid, count(*)::integer AS chunks
              FROM import_queue_chunk GROUP BY 1) c
      JOIN (SELECT workflow_import_queue_batch_id, count(*) AS total, count(*) FILTER (WHERE status = 'invalid') AS invalid
              FROM import_queue_line GROUP BY 1) l USING (workflow_import_queue_batch_id)
     WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id AND ${BATCH_IS_KEPT}
       AND (l.total, l.invalid) = (c.total, c.invalid)
       AND (b.total_count, b.invalid_count, b.chunk_count) IS DISTINCT FROM (c.total, c.invalid, c.chunks)`,
  ended_batch_has_open_chunk: `
    UPDATE import_queue_chunk c SET state = 'done', done_at = coalesce(c.done_at, b.finished_at)
      FROM import_queue_batch b
     WHERE b.workflow_import_queue_batch_id = c.workflow_import_queue_batch_id
       AND c.state <> 'done' AND b.status IN ${ENDED_STATUSES} AND b.finished_at IS NOT NULL
       AND c.invalid_count + ${COUNT_LISTS.outcomeColumns('c')} = c.record_count
       AND (SELECT count(*) FROM ${RECORDS_OF_CHUNK} r WHERE r.status NOT IN ('pending', 'processing')) = c.record_count`,
  batch_end_counts: `
    UPDATE import_queue_batch b SET ${COUNT_SUMS_OF_CHUNKS.assignments}
      FROM (${COUNT_SUMS_OF_CHUNKS.sql}) c
     WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
       AND b.finished_at IS NOT NULL AND b.succeeded_count IS NOT NULL AND b.expired_at IS NULL
       AND b.invalid_count + c.outcomes = b.total_count
       AND (${COUNT_SUMS_OF_CHUNKS.columns}) IS DISTINCT FROM (${COUNT_SUMS_OF_CHUNKS.sums})`,
  owed_mail: `
    INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient_number, recipient, status)
    SELECT 'batch_mail', b.workflow_import_queue_batch_id, owed.kind, address.number, address.recipient, 'pending'
      FROM import_queue_batch b
     CROSS JOIN LATERAL (SELECT CASE
             WHEN b.status = 'completed' AND b.send_success_email_to IS NOT NULL THEN 'success'
             WHEN b.status IN ('completed_with_errors', 'failed') AND b.send_failure_email_to IS NOT NULL THEN 'failure'
             WHEN b.status = 'canceled' AND b.send_failure_email_to IS NOT NULL
                  AND b.invalid_count + b.failed_count + b.unknown_count + b.resolved_count > 0 THEN 'failure'
           END AS kind) owed
     CROSS JOIN LATERAL unnest(string_to_array(
             CASE owed.kind WHEN 'success' THEN b.send_success_email_to ELSE b.send_failure_email_to END, ','))
           WITH ORDINALITY AS address (recipient, number)
     WHERE owed.kind IS NOT NULL AND b.finished_at IS NOT NULL AND b.expired_at IS NULL
       AND b.succeeded_count IS NOT NULL
       AND NOT EXISTS (SELECT FROM outbox o
                        WHERE o.kind = 'batch_mail' AND o.outcome IN ('success', 'failure')
                          AND o.recipient_number = address.number
                          AND o.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)`,
  partitions: `
    SELECT import_queue_create_partition(first_batch_id, end_batch_id) FROM import_queue_partition WHERE dropping_at IS NULL
     UNION ALL
    SELECT import_queue_partition_of(workflow_import_queue_batch_id) FROM import_queue_batch WHERE expired_at IS NULL`,
  orphan_records: `
    DELETE FROM import_queue_line l
     WHERE NOT EXISTS (SELECT FROM import_queue_batch b
                        WHERE b.workflow_import_queue_batch_id = l.workflow_import_queue_batch_id)`,
  orphan_outcomes: `
    DELETE FROM import_queue_outcome o
     WHERE NOT EXISTS (SELECT FROM import_queue_line l
                        WHERE l.workflow_import_queue_batch_id = o.workflow_import_queue_batch_id
                          AND l.line_number = o.line_number)`,
  status_fits_counts: `
    UPDATE import_queue_batch
       SET status = CASE WHEN ${NOT_SUCCEEDED} = 0
                         THEN 'completed' ELSE 'completed_with_errors' END
     WHERE status IN ('completed', 'completed_with_errors') AND succeeded_count IS NOT NULL
       AND (status = 'completed') <> (${NOT_SUCCEEDED} = 0)`,
  terminal_has_end: `
    UPDATE import_queue_batch b SET finished_at = ${END}
     WHERE finished_at IS NULL
       AND status IN ('completed', 'completed_with_errors', 'failed', 'canceled', 'validated')`,
  ends_after_creation: `UPDATE import_queue_batch b SET finished_at = ${END} WHERE finished_at < created_at`,
  receiving_too_long: `
    UPDATE import_queue_batch SET status = 'canceled', finished_at = now()
     WHERE status = 'receiving' AND created_at < now() - interval '1 day'`,
  idempotency_answers: `
    DELETE FROM idempotency_key k
     WHERE k.workflow_import_queue_batch_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM import_queue_batch b
                        WHERE b.workflow_import_queue_batch_id = k.workflow_import_queue_batch_id)`,
  current_version: `
    UPDATE import_process p
       SET current_version = v.version
      FROM (SELECT import_process_id, max(version) AS version FROM import_process_version GROUP BY 1) v
     WHERE v.import_process_id = p.import_process_id
       AND NOT EXISTS (SELECT FROM import_process_version e
                        WHERE e.import_process_id = p.import_process_id AND e.version = p.current_version)`,
  emptied_has_no_records: `
    UPDATE import_queue_batch b SET emptied_at = NULL
     WHERE b.emptied_at IS NOT NULL
       AND EXISTS (SELECT FROM import_queue_line l
                    WHERE l.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)`,
  sent_has_time: `
    UPDATE outbox SET sent_at = coalesce(ended_at, (attempt_log -> -1 ->> 'at')::timestamptz)
     WHERE status = 'sent' AND sent_at IS NULL`,
  orphan_partitions: `
    DO $$
    DECLARE
      orphan text;
      has_rows boolean;
    BEGIN
      FOR orphan IN
        SELECT c.oid::regclass::text
          FROM pg_class c
         CROSS JOIN (VALUES ('import_queue_line'), ('import_queue_outcome'), ('import_queue_preview')) AS t (parent)
         WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ ('^' || t.parent || '_p[0-9]+$')
           AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(t.parent))
           AND NOT EXISTS (SELECT FROM import_queue_partition p
                            WHERE c.relname = t.parent || '_p' || p.first_batch_id)
      LOOP
        EXECUTE 'LOCK TABLE ' || orphan;
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || orphan || ')' INTO has_rows;
        IF NOT has_rows THEN EXECUTE 'DROP TABLE ' || orphan; END IF;
      END LOOP;
    END $$`,
  identifier_workflows: `
    UPDATE workflow_identifier x SET workflow_id = i.workflow_id
      FROM workflow_instance i
     WHERE i.workflow_instance_id = x.workflow_instance_id AND x.workflow_id <> i.workflow_id`,
  identifiers: `
    DELETE FROM workflow_identifier x
      WHERE NOT EXISTS (SELECT FROM workflow_instance i
                         WHERE i.workflow_instance_id = x.workflow_instance_id AND i.attributes ->> x.name IS NOT NULL);
    -- First of all instances: some exchange their values.
    DELETE FROM workflow_identifier x USING (${STATED_IDENTIFIERS}) s
      WHERE x.workflow_instance_id = s.workflow_instance_id AND x.name = s.name AND x.value <> s.value
        AND NOT EXISTS (SELECT FROM (${STATED_IDENTIFIERS}) other
                         WHERE (other.workflow_id, other.name, other.value, other.distinguisher)
                             = (s.workflow_id, s.name, s.value, s.distinguisher)
                           AND other.workflow_instance_id <> s.workflow_instance_id);
    INSERT INTO workflow_identifier (workflow_id, workflow_instance_id, name, value, distinguisher)
     SELECT workflow_id, workflow_instance_id, name, value, distinguisher FROM (${STATED_IDENTIFIERS}) s
         ON CONFLICT DO NOTHING`,
};

/** The outcome of one repair. */
export interface RepairReport {
  code: string;
  /** Rows that the statement changed. */
  changed: number;
  /** Violations that it left, because they need a person. */
  left: number;
}

interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>;
}

/** Repairs what can be repaired of these violations, in the caller's transaction. */
export async function repair(
  sql: Queryable,
  violations: readonly InvariantViolation[],
): Promise<RepairReport[]> {
  const violated = new Set(violations.map(({ invariant }) => invariant.code));
  const reports: Omit<RepairReport, 'left'>[] = [];
  for (const [code, statements] of Object.entries(REPAIRS)) {
    if (!violated.has(code)) continue;
    // One answer for each statement.
    const answers = [await sql.query(statements)].flat();
    const changed = answers.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
    reports.push({ code, changed });
  }
  // At the end, because one repair can also repair what another invariant says.
  const left = await examine(
    sql,
    INVARIANTS.filter(({ code }) => reports.some((report) => report.code === code)),
  );
  const leftOf = (code: string) => left.find(({ invariant }) => invariant.code === code)?.count ?? 0;
  return reports.map((report) => ({ ...report, left: leftOf(report.code) }));
}

/** For people. @param applied whether the changes are stored or were only tried */
export function describeRepairs(reports: readonly RepairReport[], applied: boolean): string {
  if (reports.length === 0) return 'Nothing of this can be repaired automatically.\n';
  const lines = reports.map(({ code, changed, left }) => {
    const rest = left === 0 ? '' : `; ${left} violations need a person`;
    return `${applied ? 'Repaired' : 'Would repair'} ${code}: ${changed} rows${rest}`;
  });
  const next = applied ? '' : 'Nothing was changed. To store this, run: npm run doctor -- --repair --apply\n';
  return `${lines.join('\n')}\n${next}`;
}
