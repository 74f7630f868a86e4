/**
 * The effects of the bench import (create, two identifiers, log entry, outcome) as an expert in SQL would write
 * them for one psql session. It looks up nothing, checks nothing and is one transaction, which favors it.
 */
const SET_BASED_SQL = [
  'BEGIN',
  `CREATE TEMP TABLE work ON COMMIT DROP AS
     SELECT nextval(pg_get_serial_sequence('workflow_instance', 'workflow_instance_id')) AS id, line_number AS line,
            payload::jsonb AS attributes
       FROM import_queue_record WHERE workflow_import_queue_batch_id = 1 AND status = 'pending'
      ORDER BY line_number`,
  'ANALYZE work',
  `INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)
     SELECT id, 1, 'completed_successfully', 'Application', attributes FROM work`,
  `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
     SELECT 1, ':UniqueId', attributes ->> ':UniqueId', 0, id FROM work ORDER BY 3`,
  `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
     SELECT 1, ':Email', lower(attributes ->> ':Email'), 0, id FROM work ORDER BY 3`,
  `INSERT INTO workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)
     SELECT id, 1, line, 'Grant', 'bench',
            (SELECT json_object_agg(key, json_build_array(NULL, value))
               FROM (SELECT * FROM jsonb_each(attributes)
                      UNION ALL
                     VALUES (':WorkflowStatus', '"completed_successfully"'::jsonb), (':WorkflowStep', '"Application"')
                    ) AS changed (key, value))
       FROM work`,
  `UPDATE import_queue_record r
      SET status = 'succeeded', operation = 'created', reference = work.id::text, attempts = r.attempts + 1
     FROM work
    WHERE r.workflow_import_queue_batch_id = 1 AND r.line_number = work.line AND r.status = 'pending'`,
  'COMMIT',
];

/** The same effects, with outcomes in a table of their own: exactly the rows that the service writes. */
const OWN_TABLES_SQL = SET_BASED_SQL.map((sql) =>
  sql.startsWith('UPDATE')
    ? `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome, reference)
         SELECT 1, line, 'c', id::text FROM work`
    : sql.replace('FROM import_queue_record', 'FROM import_queue_line'),
);

/**
 * Gives the database the table of 0.1.0 for records, whose outcomes the frozen reference writes by UPDATE. The view of
 * that name must make room.
 */
export const RECORD_TABLE_OF_REFERENCE = [
  'DROP VIEW import_queue_record',
  'CREATE TABLE import_queue_record (LIKE import_queue_line INCLUDING ALL) WITH (fillfactor = 45)',
];

/** @param setsAttribute also what `SETTING` of `support.ts` does */
export function setBasedSql(setsAttribute: boolean): string[] {
  return withAttribute(SET_BASED_SQL, setsAttribute);
}

/** The same into the tables of this version. */
export function ownTablesSql(setsAttribute: boolean): string[] {
  return withAttribute(OWN_TABLES_SQL, setsAttribute);
}

function withAttribute(statements: string[], setsAttribute: boolean): string[] {
  if (!setsAttribute) return statements;
  const set = `payload::jsonb || jsonb_build_object('Granted At', now()) AS attributes`;
  return statements.map((sql) => sql.replace('payload::jsonb AS attributes', set));
}
