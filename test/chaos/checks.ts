/**
 * What must hold when every batch of a chaos run has ended, beside the invariants of the crash tests and of
 * `npm run doctor`: by name, a query whose rows are violations. `witness.sent` has the batches that were answered 202.
 */
export const OF_A_CHAOS_RUN: Readonly<Record<string, string>> = {
  'no record fails because of the environment': `
    SELECT workflow_import_queue_batch_id AS id, line_number, status, error_code, error_message
      FROM import_queue_record WHERE status NOT IN ('succeeded', 'invalid')`,

  'records that change nothing are unchanged': `
    SELECT s.id, s.unchanged, count(r.*) AS found
      FROM witness.sent s
      LEFT JOIN import_queue_record r ON r.workflow_import_queue_batch_id = s.id AND r.operation = 'unchanged'
     GROUP BY s.id, s.unchanged HAVING count(r.*) <> s.unchanged`,

  'a record that changes an instance has one entry in the log, and any other record has none': `
    SELECT r.workflow_import_queue_batch_id AS id, r.line_number, r.operation, count(l.*) AS entries
      FROM import_queue_record r
      LEFT JOIN workflow_log l USING (workflow_import_queue_batch_id, line_number)
     GROUP BY 1, 2, 3
    HAVING count(l.*) <> (coalesce(r.operation, '') IN ('created', 'updated'))::integer`,

  'behaviors have set what they must': `
    SELECT workflow_instance_id AS id, attributes
      FROM workflow_instance
     WHERE attributes ->> 'Notes' IS DISTINCT FROM 'Granted ' || (attributes ->> 'First Name')`,

  'each record owes each of its messages once, and all of them are sent': `
    SELECT s.id, s.messages, count(o.*) FILTER (WHERE kind = 'behavior_mail') AS mails,
           count(o.*) FILTER (WHERE kind = 'behavior_webhook') AS webhooks,
           count(o.*) FILTER (WHERE o.status <> 'sent') AS unsent,
           count(DISTINCT (kind, line_number)) AS different
      FROM witness.sent s
      LEFT JOIN outbox o ON o.workflow_import_queue_batch_id = s.id AND o.kind <> 'batch_mail'
     GROUP BY s.id, s.messages
    HAVING count(o.*) FILTER (WHERE kind = 'behavior_mail') <> s.messages
        OR count(o.*) FILTER (WHERE kind = 'behavior_webhook') <> s.messages
        OR count(o.*) FILTER (WHERE o.status <> 'sent') <> 0
        OR count(DISTINCT (kind, line_number)) FILTER (WHERE kind IS NOT NULL) <> 2 * s.messages`,
};
