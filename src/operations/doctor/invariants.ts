import { recordsBetween } from '../../batches/records.sql.js';
import { ERASED_PAYLOAD } from '../../people/person.js';
import { normalFormSql } from '../../workflows/engine/instances.sql.js';
import {
  COUNTED_RECORDS,
  ENDED_STATUSES,
  BATCH_IS_KEPT,
  countList,
  NOT_SUCCEEDED,
  OPERATION_COUNTS,
  countSum,
} from './counts.js';
import { PARTITION_INVARIANTS } from './partition-invariants.js';

/** A condition that always holds in our database, whatever runs on it at that moment (ADR 17). */
export interface Invariant {
  /** For metrics and scripts. */
  code: string;
  /** The condition, as a sentence. */
  sentence: string;
  /** One statement over the whole database. Each row it returns is a violation: ids first, then the findings. */
  sql: string;
  /** How to repair a violation. */
  repair: string;
  /** Reads only batches, chunks and outboxes, not records or instances, so it may run every minute. */
  cheap: boolean;
}

const RECONCILER =
  'The reconciler of any worker does this within seconds: start a worker, and look at its log.';
const REPORT =
  'This must not happen: keep the database as it is (pg_dump), pause the batch, and report it with these rows.';

const RECOUNTED = `doctor --repair counts the records again if all of them are there, and agree with the counts of the batch if it has ended. Else: ${REPORT}`;

/** Folds case without the rules of any language: in Turkish databases `lower('I')` is not `i`. */
function folded(value: string): string {
  return `lower((${value}) COLLATE "und-x-icu")`;
}

export const INVARIANTS: readonly Invariant[] = [
  {
    code: 'batch_totals',
    sentence: 'the total, the invalid and the chunks of a batch are those of its chunks',
    sql: `SELECT b.workflow_import_queue_batch_id AS batch, b.total_count, c.total, b.invalid_count, c.invalid,
                 b.chunk_count, c.chunks
            FROM import_queue_batch b
            LEFT JOIN (SELECT workflow_import_queue_batch_id, sum(record_count) AS total, sum(invalid_count) AS invalid,
                              count(*) AS chunks
                         FROM import_queue_chunk GROUP BY 1) c USING (workflow_import_queue_batch_id)
           WHERE ${BATCH_IS_KEPT}
             AND (b.total_count, b.invalid_count, b.chunk_count)
                 IS DISTINCT FROM (coalesce(c.total, 0)::integer, coalesce(c.invalid, 0)::integer, coalesce(c.chunks, 0)::integer)`,
    repair: `doctor --repair takes the sums of the chunks if the batch has as many records. Else: ${REPORT}`,
    cheap: true,
  },
  {
    code: 'batch_end_counts',
    sentence: 'the counts of a batch that has ended are the sums over its chunks, and add up to its total',
    sql: `SELECT b.workflow_import_queue_batch_id AS batch, b.total_count, ${countList((name) => `b.${name}_count, c.${name} AS sum_of_${name}`)}
            FROM import_queue_batch b
            LEFT JOIN (SELECT workflow_import_queue_batch_id, ${countList((name) => `sum(${name}_count)::integer AS ${name}`)}
                         FROM import_queue_chunk GROUP BY 1) c USING (workflow_import_queue_batch_id)
           WHERE b.finished_at IS NOT NULL AND b.succeeded_count IS NOT NULL AND b.status <> 'validated'
             AND (b.invalid_count + ${countSum((name) => `b.${name}_count`)} <> b.total_count
               OR b.expired_at IS NULL
                  AND (${countList((name) => `b.${name}_count`)}) IS DISTINCT FROM (${countList((name) => `coalesce(c.${name}, 0)`)}))`,
    repair: `The chunks are right: UPDATE import_queue_batch with the sums that are shown.`,
    cheap: true,
  },
  {
    code: 'chunk_counts_add_up',
    sentence: 'a chunk is done exactly when every record of it has its outcome',
    sql: `SELECT c.workflow_import_queue_batch_id AS batch, chunk_number AS chunk, state, record_count, c.invalid_count,
                 ${countSum((name) => `c.${name}_count`)} AS outcomes
            FROM import_queue_chunk c
            LEFT JOIN import_queue_batch b USING (workflow_import_queue_batch_id) LEFT JOIN import_process_version v ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
           WHERE c.invalid_count + ${countSum((name) => `c.${name}_count`)} > record_count
              OR state = 'done' AND c.invalid_count + ${countSum((name) => `c.${name}_count`)} <> record_count
              OR CASE WHEN v.target ->> 'kind' = 'http' THEN c.succeeded_count < c.created_count WHEN b.undo_of IS NULL THEN c.succeeded_count <> ${OPERATION_COUNTS.map((name) => `c.${name}_count`).join(' + ')}
                   ELSE c.succeeded_count < c.unchanged_count OR c.created_count + c.updated_count > 0 END`,
    repair: RECOUNTED,
    cheap: true,
  },
  {
    code: 'ended_batch_has_open_chunk',
    sentence: 'no chunk of a batch that has ended is open',
    sql: `SELECT c.workflow_import_queue_batch_id AS batch, c.chunk_number AS chunk, c.state, b.status
            FROM import_queue_chunk c JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
           WHERE c.state <> 'done' AND b.status IN ${ENDED_STATUSES}`,
    repair: `doctor --repair ends the chunk if every record of it has its outcome. Else: ${REPORT}`,
    cheap: true,
  },
  {
    code: 'terminal_has_end',
    sentence: 'a batch has the time of its end exactly when its status is a last one',
    sql: `SELECT workflow_import_queue_batch_id AS batch, status, finished_at FROM import_queue_batch
           WHERE (finished_at IS NOT NULL) <> (status = 'validated' OR status IN ${ENDED_STATUSES})`,
    repair: `If its status is a last one: UPDATE import_queue_batch with the end of its last chunk. If not, keep the database as it is (pg_dump), and report it with these rows.`,
    cheap: true,
  },
  {
    code: 'batch_not_ended',
    sentence: 'a batch whose chunks are all done ends at once (five minutes are allowed)',
    sql: `SELECT b.workflow_import_queue_batch_id AS batch, b.status, max(c.done_at) AS last_done
            FROM import_queue_batch b LEFT JOIN import_queue_chunk c USING (workflow_import_queue_batch_id)
           WHERE b.status IN ('queued', 'in_progress', 'paused', 'canceling')
           GROUP BY 1, 2
          HAVING bool_and(coalesce(c.state, 'done') = 'done')
             AND coalesce(max(c.done_at), min(b.created_at)) < now() - interval '5 minutes'`,
    repair: RECONCILER,
    cheap: true,
  },
  {
    code: 'chunk_not_progressing',
    sentence: 'no chunk has been queued for an hour without being done',
    sql: `SELECT workflow_import_queue_batch_id AS batch, chunk_number AS chunk, attempts, last_error, queued_at
            FROM import_queue_chunk
           WHERE state = 'queued' AND queued_at < now() - interval '1 hour'`,
    repair: `last_error says why. No worker running, or a fault that stays (a lock held by psql, a full disk): fix it; the chunk is retried without limit.`,
    cheap: true,
  },
  {
    code: 'owed_mail',
    sentence: 'a batch that has ended owes exactly the mails that were asked for',
    sql: `SELECT b.workflow_import_queue_batch_id AS batch, b.status, owed.mails AS owed, n.mails AS there
            FROM import_queue_batch b
           CROSS JOIN LATERAL (SELECT CASE
                   WHEN b.status = 'completed' AND b.send_success_email_to IS NOT NULL THEN 'success ' || b.send_success_email_to
                   WHEN b.status IN ('completed_with_errors', 'failed') AND b.send_failure_email_to IS NOT NULL THEN 'failure ' || b.send_failure_email_to
                   WHEN b.status = 'canceled' AND b.send_failure_email_to IS NOT NULL
                        AND b.invalid_count + b.failed_count + b.unknown_count + b.resolved_count > 0 THEN 'failure ' || b.send_failure_email_to
                 END AS mails) owed
            LEFT JOIN (SELECT workflow_import_queue_batch_id,
                              string_agg(DISTINCT outcome, ',') || ' ' || string_agg(recipient, ',' ORDER BY outcome, recipient_number) AS mails
                         FROM outbox WHERE kind = 'batch_mail' AND outcome IN ('success', 'failure') GROUP BY 1) n USING (workflow_import_queue_batch_id)
           WHERE b.status IN ${ENDED_STATUSES} AND b.expired_at IS NULL AND b.succeeded_count IS NOT NULL
             AND n.mails IS DISTINCT FROM owed.mails`,
    repair: `Missing: INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status) with kind 'batch_mail' and status 'pending'; it is sent within seconds. Of several addresses, the first has recipient_number 1. One too many: report it.`,
    cheap: true,
  },
  {
    code: 'outbox_stuck',
    sentence: 'nothing in an outbox has been due for an hour',
    sql: `SELECT CASE kind WHEN 'batch_mail' THEN 'notification' WHEN 'batch_webhook' THEN 'webhook' ELSE 'behavior' END AS outbox, outbox_id AS id,
                 status, attempts, next_attempt_at, last_error
            FROM outbox
           WHERE status IN ('pending', 'sending') AND greatest(next_attempt_at, locked_until) < now() - interval '1 hour'`,
    repair: `Start a worker: it sends what is due. If one runs, its log says what it cannot do, or which receiver keeps its own waiting.`,
    cheap: true,
  },
  {
    code: 'chunk_lines',
    sentence:
      'the chunks of a batch are numbered without a gap, in line order (an undo: in line order or its reverse), and do not overlap',
    sql: `SELECT batch, chunk, first_line, last_line, line_before
            FROM (SELECT c.workflow_import_queue_batch_id AS batch, chunk_number AS chunk, first_line, last_line,
                         lag(last_line) OVER w AS line_before,
                         CASE WHEN b.last_line_first THEN 1 + count(*) OVER all_of - row_number() OVER w
                           ELSE row_number() OVER w END AS place
                    FROM import_queue_chunk c JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
                   WHERE b.expired_at IS NULL
                  WINDOW w AS (PARTITION BY c.workflow_import_queue_batch_id
                               ORDER BY CASE WHEN b.last_line_first THEN -chunk_number ELSE chunk_number END),
                         all_of AS (PARTITION BY c.workflow_import_queue_batch_id)) ordered
           WHERE chunk <> place OR first_line > last_line OR first_line <= line_before`,
    repair: REPORT,
    cheap: true,
  },
  {
    code: 'chunk_counts',
    sentence: 'the counts of a chunk are those of its records',
    sql: `SELECT c.workflow_import_queue_batch_id AS batch, c.chunk_number AS chunk, c.state, to_json(written) AS written,
                 to_json(counted) AS counted
            FROM import_queue_chunk c
            JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
           CROSS JOIN LATERAL (SELECT c.record_count AS total, c.invalid_count AS invalid, ${countList((name) => `c.${name}_count AS ${name}`)}) written
           CROSS JOIN LATERAL (
             SELECT count(*) AS total, count(*) FILTER (WHERE r.status = 'invalid') AS invalid, ${COUNTED_RECORDS}
               FROM ${recordsBetween('c.workflow_import_queue_batch_id', 'c.first_line', 'c.last_line')} r) counted
           WHERE b.expired_at IS NULL AND to_jsonb(written) <> to_jsonb(counted)`,
    repair: RECOUNTED,
    cheap: false,
  },
  ...PARTITION_INVARIANTS,
  {
    code: 'orphan_records',
    sentence: 'every record belongs to a batch, and to a chunk of it',
    sql: `SELECT r.batch, r.records, coalesce(c.records, 0) AS in_chunks
            FROM (SELECT workflow_import_queue_batch_id AS batch, count(*) AS records
                    FROM import_queue_record GROUP BY 1) r
            LEFT JOIN (SELECT workflow_import_queue_batch_id AS batch, sum(record_count) AS records
                         FROM import_queue_chunk GROUP BY 1) c USING (batch)
           WHERE r.records IS DISTINCT FROM c.records`,
    repair: `Records without a batch do no harm: DELETE FROM import_queue_line for those batches. Else report it.`,
    cheap: false,
  },
  {
    code: 'orphan_outcomes',
    sentence: 'every outcome belongs to a record that had none before',
    sql: `SELECT o.workflow_import_queue_batch_id AS batch, o.line_number AS line, o.outcome, l.status
            FROM import_queue_outcome o
            LEFT JOIN import_queue_line l USING (workflow_import_queue_batch_id, line_number)
           WHERE l.status IS DISTINCT FROM 'pending'`,
    repair: `Without a record (status is null), DELETE the rows that are shown from import_queue_outcome. Else report it.`,
    cheap: false,
  },
  {
    code: 'log_entries',
    sentence:
      'a record that created, updated or reverted has exactly one log entry, of its own instance, and no other record has one',
    sql: `SELECT coalesce(r.batch, l.batch) AS batch, coalesce(r.line_number, l.line_number) AS line, r.operation,
                 r.reference, l.instance, l.entries
            FROM (SELECT r.workflow_import_queue_batch_id AS batch, r.line_number, r.operation, r.reference,
                         r.payload = '${ERASED_PAYLOAD}' AS is_erased
                    FROM import_queue_record r
                    JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
                    JOIN import_process_version v USING (import_process_id)
                   WHERE r.operation IN ('created', 'updated', 'reverted') AND b.expired_at IS NULL
                     AND v.version = b.import_process_version AND v.target ->> 'kind' = 'workflow') r
            FULL JOIN (SELECT l.workflow_import_queue_batch_id AS batch, l.line_number, count(*) AS entries,
                              min(l.workflow_instance_id)::text AS instance
                         FROM workflow_log l
                         JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
                        WHERE b.expired_at IS NULL AND l.line_number IS NOT NULL
                        GROUP BY 1, 2) l USING (batch, line_number)
           WHERE r.is_erased IS NOT TRUE
             AND (l.entries IS NULL OR r.operation IS NULL OR r.reference IS DISTINCT FROM l.instance)`,
    repair: REPORT,
    cheap: false,
  },
  {
    code: 'created_once',
    sentence: 'no instance was created by two records',
    sql: `SELECT reference AS instance, count(*) AS created_by
            FROM import_queue_record WHERE operation = 'created' AND reference IS NOT NULL
           GROUP BY reference HAVING count(*) > 1`,
    repair: REPORT,
    cheap: false,
  },
  {
    code: 'identifiers',
    sentence: 'identifiers and instances belong together: each value is found by its identifier',
    sql: `SELECT coalesce(i.workflow_instance_id, x.workflow_instance_id) AS instance, coalesce(x.name, i.name) AS name,
                 i.value AS of_instance, x.value AS of_identifier
            FROM (SELECT workflow_instance_id, key AS name, value
                    FROM workflow_instance, jsonb_each_text(attributes)
                   WHERE key LIKE ':%') i
            FULL JOIN workflow_identifier x USING (workflow_instance_id, name)
           WHERE i.value IS NULL OR x.value IS NULL
              OR ${folded('x.value')} NOT IN (${folded('i.value')}, ${folded(normalFormSql('i.value'))})`,
    repair: `The attributes are right. doctor --repair writes the rows of workflow_identifier from them, except values that are not ASCII and ignore case, and values that another instance has: write those yourself, folded as the workflow's definition says.`,
    cheap: false,
  },
  {
    code: 'status_fits_counts',
    sentence: 'the last status of a batch follows from its counts',
    sql: `SELECT workflow_import_queue_batch_id AS batch, status, ${NOT_SUCCEEDED} AS not_succeeded, failure_reason
            FROM import_queue_batch
           WHERE status IN ('completed', 'completed_with_errors') AND succeeded_count IS NOT NULL AND (status = 'completed') <> (${NOT_SUCCEEDED} = 0)
              OR status = 'failed' AND failure_reason IS NULL`,
    repair: `The counts are right: UPDATE import_queue_batch with the status that follows from them.`,
    cheap: true,
  },
  {
    code: 'receiving_too_long',
    sentence: 'no batch is received for longer than a day',
    sql: `SELECT workflow_import_queue_batch_id AS batch, created_at FROM import_queue_batch
           WHERE status = 'receiving' AND created_at < now() - interval '1 day'`,
    repair: `Its process is gone and its sender has no answer: UPDATE import_queue_batch to canceled, with the time of its end.`,
    cheap: true,
  },
  {
    code: 'ends_after_creation',
    sentence: 'no batch ends before it is created',
    sql: `SELECT workflow_import_queue_batch_id AS batch, created_at, finished_at FROM import_queue_batch
           WHERE finished_at < created_at`,
    repair: `The end of its last chunk is right: UPDATE import_queue_batch with that time.`,
    cheap: true,
  },
  {
    code: 'idempotency_answers',
    sentence: 'each Idempotency-Key that answers with a batch answers with one that exists',
    sql: `SELECT k.principal, k.key, k.workflow_import_queue_batch_id AS batch FROM idempotency_key k
           WHERE k.workflow_import_queue_batch_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM import_queue_batch b
                              WHERE b.workflow_import_queue_batch_id = k.workflow_import_queue_batch_id)`,
    repair: `DELETE the rows that are shown from idempotency_key: the same call is then made again.`,
    cheap: true,
  },
  {
    code: 'current_version',
    sentence: 'the current version of each import process exists',
    sql: `SELECT p.import_process_id AS import_process, p.current_version FROM import_process p
           WHERE NOT EXISTS (SELECT FROM import_process_version v
                              WHERE v.import_process_id = p.import_process_id AND v.version = p.current_version)`,
    repair: `UPDATE import_process with the highest version of import_process_version.`,
    cheap: true,
  },
  {
    code: 'sent_has_time',
    sentence: 'a mail or webhook that was sent has the time of it',
    sql: `SELECT outbox_id AS message, kind, status FROM outbox WHERE status = 'sent' AND sent_at IS NULL`,
    repair: `doctor --repair takes the time of the end, or of the last attempt. Else: ${REPORT}`,
    cheap: false,
  },
  {
    code: 'emptied_has_no_records',
    sentence: 'a batch whose records were deleted has no record, preview or draft',
    sql: `SELECT b.workflow_import_queue_batch_id AS batch, b.emptied_at FROM import_queue_batch b
           WHERE b.emptied_at IS NOT NULL
             AND (EXISTS (SELECT FROM import_queue_record r
                           WHERE r.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)
               OR EXISTS (SELECT FROM import_queue_preview p
                           WHERE p.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)
               OR EXISTS (SELECT FROM fix_draft d
                            LEFT JOIN fix_draft_cell USING (workflow_import_queue_batch_id)
                           WHERE d.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id))`,
    repair: `UPDATE import_queue_batch SET emptied_at = NULL for it: the next sweep deletes the rest.`,
    cheap: false,
  },
  {
    code: 'outcomes_are_explained',
    sentence: 'a record that succeeded states what was done, and one that did not states why',
    sql: `SELECT workflow_import_queue_batch_id AS batch, line_number AS line, status FROM import_queue_record
           WHERE status IN ('failed', 'invalid', 'unknown') AND error_code IS NULL OR status = 'succeeded' AND operation IS NULL
             AND NOT EXISTS (SELECT FROM import_queue_outcome o WHERE o.line_number = import_queue_record.line_number AND o.outcome = 'd'
                                AND o.workflow_import_queue_batch_id = import_queue_record.workflow_import_queue_batch_id)`,
    repair: REPORT,
    cheap: false,
  },
  {
    code: 'log_instances',
    sentence:
      'each entry of the log is about an instance that exists, unless the last entry of it says that an undo deleted it',
    sql: `SELECT l.workflow_instance_id AS instance, count(*) AS entries FROM workflow_log l
           WHERE NOT EXISTS (SELECT FROM workflow_instance i WHERE i.workflow_instance_id = l.workflow_instance_id)
             AND NOT coalesce((SELECT json_typeof(newest.changes -> ':WorkflowStatus' -> 1) = 'null' FROM workflow_log newest
                                WHERE newest.workflow_instance_id = l.workflow_instance_id
                                ORDER BY newest.workflow_log_id DESC LIMIT 1), false)
           GROUP BY 1`,
    repair: REPORT,
    cheap: false,
  },
  {
    code: 'undo_outcomes',
    sentence: 'a record is reverted or kept exactly in an undo, and no batch is undone twice',
    sql: `SELECT o.workflow_import_queue_batch_id AS batch, o.line_number AS line, o.outcome, b.undo_of
            FROM import_queue_outcome o JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
           WHERE b.undo_of IS NULL AND o.outcome IN ('r', 'k') OR b.undo_of IS NOT NULL AND o.outcome IN ('c', 'u', 's')
           UNION ALL
          SELECT max(b.workflow_import_queue_batch_id), o.line_number, 'r', b.undo_of
            FROM import_queue_batch b JOIN import_queue_outcome o USING (workflow_import_queue_batch_id)
           WHERE b.undo_of IS NOT NULL AND o.outcome = 'r'
             AND NOT EXISTS (SELECT FROM import_queue_batch redo
                              WHERE redo.undo_of = b.workflow_import_queue_batch_id)
           GROUP BY b.undo_of, o.line_number
          HAVING count(*) > 1`,
    repair: REPORT,
    cheap: false,
  },
  {
    code: 'identifier_workflows',
    sentence: 'an identifier belongs to the workflow of its instance',
    sql: `SELECT x.workflow_instance_id AS instance, x.name, x.workflow_id, i.workflow_id AS of_instance
            FROM workflow_identifier x JOIN workflow_instance i USING (workflow_instance_id)
           WHERE x.workflow_id <> i.workflow_id`,
    repair: `UPDATE workflow_identifier with the workflow_id of the instance.`,
    cheap: false,
  },
  {
    code: 'identifier_collisions',
    sentence: 'no two instances have the same value of a unique identifier',
    sql: `SELECT x.workflow_id AS workflow, x.name, x.value, array_agg(x.workflow_instance_id ORDER BY x.workflow_instance_id) AS instances
            FROM workflow_identifier x
            JOIN workflow w USING (workflow_id)
            JOIN workflow_definition v ON v.workflow_id = w.workflow_id AND v.version = w.current_version
           WHERE EXISTS (SELECT FROM json_array_elements(v.definition -> 'identifiers') d
                          WHERE d ->> 'name' = x.name AND (d ->> 'unique')::boolean)
           GROUP BY x.workflow_id, x.name, x.value
          HAVING count(DISTINCT x.workflow_instance_id) > 1`,
    repair: `They differ only in white space, invisible characters or Unicode form, from the time before these were ignored. Rows that match them are rejected as ambiguous: give all but one of the instances another value.`,
    cheap: false,
  },
];
