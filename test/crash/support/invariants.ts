/**
 * What holds of the database once every accepted batch has ended, beside what always holds (`src/operations/doctor`, which is
 * looked at too): by name, a query whose rows are violations. What
 * was accepted, and what to expect of it, is in `witness.accepted`.
 */
export const OF_WHAT_WAS_ACCEPTED: Readonly<Record<string, string>> = {
  'a batch that was answered 202 is there, with every line that was sent, and has ended': `
    SELECT a.id, a.total AS sent, b.total_count, b.status
      FROM witness.accepted a
      LEFT JOIN import_queue_batch b ON b.workflow_import_queue_batch_id = a.id
     WHERE b.finished_at IS NULL OR b.total_count <> a.total
        OR a.total <> (SELECT count(*) FROM import_queue_record r WHERE r.workflow_import_queue_batch_id = a.id)`,

  'nothing is there of a request that was not answered 202': `
    SELECT leftover.* FROM (
      SELECT 'batch' AS kind, workflow_import_queue_batch_id AS id FROM import_queue_batch
      UNION SELECT 'record', workflow_import_queue_batch_id FROM import_queue_record
      UNION SELECT 'chunk', workflow_import_queue_batch_id FROM import_queue_chunk
      UNION SELECT 'log', workflow_import_queue_batch_id FROM workflow_log
      UNION SELECT 'outbox', workflow_import_queue_batch_id FROM outbox WHERE kind = 'batch_mail') leftover
     WHERE leftover.id NOT IN (SELECT id FROM witness.accepted)`,

  'every record has an outcome, the one that was to be expected': `
    SELECT a.id, o.*
      FROM witness.accepted a
     CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE r.status = 'invalid') AS invalid,
              count(*) FILTER (WHERE r.status = 'succeeded' AND r.operation = 'created') AS created,
              count(*) FILTER (WHERE r.status = 'succeeded' AND r.operation = 'updated') AS updated,
              count(*) FILTER (WHERE r.status IN ('pending', 'processing')) AS without
         FROM import_queue_record r WHERE r.workflow_import_queue_batch_id = a.id) o
     WHERE (o.invalid, o.created, o.updated, o.without) <> (a.invalid, a.created, a.updated, 0)`,

  'no outcome was written over another': `SELECT * FROM witness.second_outcome`,

  'an instance was created by one record, and is the only one with its identifiers': `
    SELECT i.workflow_instance_id AS id, i.attributes ->> ':UniqueId' AS unique_id
      FROM (SELECT *, count(*) OVER (PARTITION BY attributes ->> ':UniqueId') AS twins FROM workflow_instance) i
      LEFT JOIN (SELECT reference, count(*) AS created FROM import_queue_record
                  WHERE operation = 'created' GROUP BY reference) r ON r.reference = i.workflow_instance_id::text
     WHERE i.twins <> 1 OR r.created IS DISTINCT FROM 1`,

  'a batch ended once, and did nothing afterwards': `
    SELECT batch AS id, string_agg(after, ' ') AS became
      FROM witness.status_change
     GROUP BY batch
    HAVING count(*) FILTER (WHERE after IN ('completed', 'completed_with_errors', 'failed', 'canceled')) <> 1
        OR bool_or(before IN ('completed', 'completed_with_errors', 'failed', 'canceled'))`,
};
