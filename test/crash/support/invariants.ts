const COUNTS = ['succeeded', 'failed', 'skipped', 'canceled', 'unknown'];
const OPERATIONS = ['created', 'updated', 'unchanged'];

const perBatch = (columns: string[], of: (name: string) => string) =>
  columns.map((name) => `${of(name)} AS ${name}`).join(', ');

/** Counts of records as they stand in the rows of `import_queue_record`, in the order of COUNTS and OPERATIONS. */
const COUNTED = [
  perBatch(COUNTS, (name) => `count(*) FILTER (WHERE r.status = '${name}')`),
  perBatch(OPERATIONS, (name) => `count(*) FILTER (WHERE r.operation = '${name}')`),
].join(', ');
const SUMMED = perBatch([...COUNTS, ...OPERATIONS], (name) => `sum(c.${name}_count)`);
const WRITTEN = perBatch([...COUNTS, ...OPERATIONS], (name) => `b.${name}_count`);

/**
 * What holds of the database once every accepted batch has ended: by name, a query whose rows are violations. What
 * was accepted, and what is to be expected of it, is in `witness.accepted`.
 */
export const INVARIANTS: Readonly<Record<string, string>> = {
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
      UNION SELECT 'notification', workflow_import_queue_batch_id FROM notification) leftover
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

  'the counts of a batch are those of its records and the sums over its chunks': `
    SELECT b.workflow_import_queue_batch_id AS id, to_json(written) AS written, to_json(summed) AS summed,
           to_json(counted) AS counted
      FROM import_queue_batch b
     CROSS JOIN LATERAL (SELECT b.total_count AS total, b.invalid_count AS invalid, ${WRITTEN}) written
     CROSS JOIN LATERAL (
       SELECT sum(c.record_count) AS total, sum(c.invalid_count) AS invalid, ${SUMMED}
         FROM import_queue_chunk c WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id) summed
     CROSS JOIN LATERAL (
       SELECT count(*) AS total, count(*) FILTER (WHERE r.status = 'invalid') AS invalid, ${COUNTED}
         FROM import_queue_record r WHERE r.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id) counted
     WHERE to_jsonb(written) <> to_jsonb(summed) OR to_jsonb(written) <> to_jsonb(counted)`,

  'the counts of a chunk are those of its records, and it is done': `
    SELECT c.workflow_import_queue_batch_id AS id, c.chunk_number, c.state
      FROM import_queue_chunk c
     CROSS JOIN LATERAL (
       SELECT c.record_count AS total, c.invalid_count AS invalid, ${perBatch([...COUNTS, ...OPERATIONS], (name) => `c.${name}_count`)}) written
     CROSS JOIN LATERAL (
       SELECT count(*) AS total, count(*) FILTER (WHERE r.status = 'invalid') AS invalid, ${COUNTED}
         FROM import_queue_record r
        WHERE r.workflow_import_queue_batch_id = c.workflow_import_queue_batch_id
          AND r.line_number BETWEEN c.first_line AND c.last_line) counted
     WHERE c.state <> 'done' OR to_jsonb(written) <> to_jsonb(counted)`,

  'a record that created or updated has exactly one log entry, and there is no other': `
    SELECT coalesce(r.batch, l.batch) AS id, coalesce(r.line_number, l.line_number) AS line, r.operation, l.entries
      FROM (SELECT workflow_import_queue_batch_id AS batch, line_number, operation, reference
              FROM import_queue_record WHERE operation IN ('created', 'updated')) r
      FULL JOIN (SELECT workflow_import_queue_batch_id AS batch, line_number, count(*) AS entries,
                        min(workflow_instance_id)::text AS instance
                   FROM workflow_log GROUP BY 1, 2) l USING (batch, line_number)
     WHERE l.entries IS DISTINCT FROM 1 OR r.reference IS DISTINCT FROM l.instance`,

  'an instance was created by one record, and is the only one with its identifiers': `
    SELECT i.workflow_instance_id AS id, i.attributes ->> ':UniqueId' AS unique_id
      FROM (SELECT *, count(*) OVER (PARTITION BY attributes ->> ':UniqueId') AS twins FROM workflow_instance) i
      LEFT JOIN (SELECT reference, count(*) AS created FROM import_queue_record
                  WHERE operation = 'created' GROUP BY reference) r ON r.reference = i.workflow_instance_id::text
     WHERE i.twins <> 1 OR r.created IS DISTINCT FROM 1`,

  'identifiers and instances belong together': `
    SELECT i.workflow_instance_id AS instance, x.name, x.workflow_instance_id AS identifies
      FROM workflow_instance i
      FULL JOIN workflow_identifier x USING (workflow_instance_id)
     WHERE i.workflow_instance_id IS NULL OR x.value IS NULL
        OR lower(i.attributes ->> x.name) <> lower(x.value)`,

  'a batch ended once, and did nothing afterwards': `
    SELECT batch AS id, string_agg(after, ' ') AS became
      FROM witness.status_change
     GROUP BY batch
    HAVING count(*) FILTER (WHERE after IN ('completed', 'completed_with_errors', 'failed', 'canceled')) <> 1
        OR bool_or(before IN ('completed', 'completed_with_errors', 'failed', 'canceled'))`,

  'a batch owes exactly the mails that were asked for': `
    SELECT a.id, a.mails, count(n.notification_id) AS notifications
      FROM witness.accepted a
      LEFT JOIN notification n ON n.workflow_import_queue_batch_id = a.id
     GROUP BY a.id, a.mails
    HAVING count(n.notification_id) <> a.mails`,
};
