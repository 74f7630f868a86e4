import type { Invariant } from './invariants.js';

export interface InvariantViolation {
  invariant: Invariant;
  /** How many rows violate it. */
  count: number;
  /** The first violating rows. */
  rows: Record<string, unknown>[];
}

interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}

const SHOWN = 5;

/** Finds the violations. For a consistent view of the database, call it in one REPEATABLE READ transaction. */
export async function examine(
  sql: Queryable,
  invariants: readonly Invariant[],
): Promise<InvariantViolation[]> {
  const violations: InvariantViolation[] = [];
  for (const invariant of invariants) {
    const { rows } = await sql.query(
      `SELECT to_jsonb(broken) AS row, count(*) OVER () AS count FROM (${invariant.sql}) broken LIMIT ${SHOWN}`,
    );
    const [first] = rows;
    if (first === undefined) continue;
    const shown = rows.map(({ row }) => row as Record<string, unknown>);
    violations.push({ invariant, count: Number(first['count']), rows: shown });
  }
  return violations;
}

/** For people: the violations, their first rows, and the repair. */
export function describeViolations(violations: readonly InvariantViolation[], examined: number): string {
  if (violations.length === 0) return `All is well: ${examined} invariants hold.\n`;
  const parts = violations.map(({ invariant, count, rows }) =>
    [
      `NOT TRUE (${count} times): ${invariant.sentence}  [${invariant.code}]`,
      ...rows.map((row) => `    ${JSON.stringify(row)}`),
      ...(count > rows.length ? [`    … and ${count - rows.length} more`] : []),
      `  What to do: ${invariant.repair}`,
    ].join('\n'),
  );
  return `${parts.join('\n\n')}\n\n${violations.length} of ${examined} invariants do not hold.\n`;
}

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
