/** The tables that have partitions. */
const PARTITIONED = `(VALUES ('import_queue_line'), ('import_queue_outcome'), ('import_queue_preview')) AS t (parent)`;

/** What holds of the partitions of the records, as `Invariant` describes it (ADR 41). */
export const PARTITION_INVARIANTS = [
  {
    code: 'partitions',
    sentence:
      'the records of every batch that has not expired have a partition, whose three tables are attached with its range',
    sql: `SELECT p.first_batch_id, p.end_batch_id, t.parent || '_p' || p.first_batch_id AS missing, NULL::bigint AS batch
            FROM import_queue_partition p CROSS JOIN ${PARTITIONED}
           WHERE p.dropping_at IS NULL
             AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                              WHERE i.inhparent = to_regclass(t.parent) AND c.relname = t.parent || '_p' || p.first_batch_id
                                AND pg_get_expr(c.relpartbound, c.oid)
                                  = format('FOR VALUES FROM (%L) TO (%L)', p.first_batch_id, p.end_batch_id))
           UNION ALL
          SELECT NULL, NULL, NULL, b.workflow_import_queue_batch_id FROM import_queue_batch b
           WHERE b.expired_at IS NULL
             AND NOT EXISTS (SELECT FROM import_queue_partition p
                              WHERE b.workflow_import_queue_batch_id >= p.first_batch_id
                                AND b.workflow_import_queue_batch_id < p.end_batch_id AND p.dropping_at IS NULL)`,
    repair:
      'doctor --repair attaches the table again if it exists under its name, and else creates it, empty: then its records are only in a backup.',
    cheap: true,
  },
  {
    code: 'orphan_partitions',
    sentence: 'every table of a partition belongs to a partition that the program knows',
    sql: `SELECT c.relname AS table, c.relispartition AS attached
            FROM pg_class c CROSS JOIN ${PARTITIONED}
           WHERE c.relkind = 'r' AND c.relname ~ ('^' || t.parent || '_p[0-9]+$')
             AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(t.parent))
             AND NOT EXISTS (SELECT FROM import_queue_partition p
                              WHERE c.relname = t.parent || '_p' || p.first_batch_id)`,
    repair:
      'doctor --repair drops it if it is neither attached nor holds a row. If it is attached, INSERT its range into import_queue_partition. Else look at what it holds: attach it, or DROP it.',
    cheap: true,
  },
];
