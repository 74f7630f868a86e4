import type { InvariantViolation } from './examination.js';
import type { Invariant } from './invariants.js';

/**
 * Settings that protect less than they could. They are choices, not damage: doctor states them, but its exit code does
 * not depend on them.
 */
export const NOTES: readonly Invariant[] = [
  {
    code: 'audit_log_can_be_changed',
    sentence: 'the role of DATABASE_URL can change and delete events of the audit log',
    sql: `SELECT current_user AS role, privilege FROM unnest('{UPDATE,DELETE}'::text[]) AS privilege
           WHERE has_table_privilege('audit_log', privilege)`,
    repair: `Use a role of its own for the service and AUDIT_DATABASE_URL for the role that may: docs/operations.md, Database roles.`,
    cheap: true,
  },
  {
    code: 'secrets_in_clear',
    sentence: 'URLs and secrets of webhooks are stored in clear',
    sql: `SELECT w.name AS workflow, d.version, NULL::bigint AS "webhookEndpoint", NULL::bigint AS "sentWebhook"
            FROM workflow_definition d JOIN workflow w USING (workflow_id)
           WHERE jsonb_path_exists(d.definition::jsonb,
                   '$.steps[*].actions[*].behaviors[*] ? (@.kind == "webhook" && !(@.url starts with "enc:v1:"))')
          UNION ALL
          SELECT NULL, NULL, webhook_endpoint_id, NULL FROM webhook_endpoint WHERE url NOT LIKE 'enc:v1:%'
           UNION ALL
          SELECT NULL, NULL, NULL, outbox_id FROM outbox
           WHERE kind = 'behavior_webhook' AND recipient NOT LIKE 'enc:v1:%' AND recipient ~ '^https?:'`,
    repair:
      'Set SECRETS_KEY, or SESSION_SECRET, in every process and start them: the start encrypts what is stored.',
    cheap: true,
  },
];

/** For people: each note and what to do. */
export function describeNotes(notes: readonly InvariantViolation[]): string {
  return notes
    .map(
      ({ invariant: { sentence, code, repair } }) =>
        `Note: ${sentence}  [${code}]\n  What to do: ${repair}\n`,
    )
    .join('');
}
