import { examine, type InvariantViolation } from './examination.js';
import { COUNT_SUMS_OF_CHUNKS, INVARIANTS, NOT_SUCCEEDED } from './invariants.js';

/** When a batch ended: its last chunk says so. */
const END = `greatest(b.created_at, coalesce((SELECT max(c.done_at) FROM import_queue_chunk c
              WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id), now()))`;

/**
 * What `npm run doctor -- --repair` does, by invariant: one statement that repairs every violation. Only where one side
 * of the contradiction is certain; everything else needs a person, or a worker, who sees what the invariant says.
 */
export const REPAIRS: Readonly<Record<string, string>> = {
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
  identifier_workflows: `
    UPDATE workflow_identifier x SET workflow_id = i.workflow_id
      FROM workflow_instance i
     WHERE i.workflow_instance_id = x.workflow_instance_id AND x.workflow_id <> i.workflow_id`,
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
  const reports: RepairReport[] = [];
  for (const { invariant } of violations) {
    const statement = REPAIRS[invariant.code];
    if (statement === undefined) continue;
    const { rowCount } = await sql.query(statement);
    const left = await examine(
      sql,
      INVARIANTS.filter(({ code }) => code === invariant.code),
    );
    reports.push({ code: invariant.code, changed: rowCount ?? 0, left: left[0]?.count ?? 0 });
  }
  return reports;
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
