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
