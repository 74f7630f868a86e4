import type { Sql } from '../platform/database/database.service.js';
import { currentRequest, currentRequestId } from '../platform/instrumentation.js';

/*
 * Table audit_log. The application only inserts and reads rows; retention and erasure (audit-keeper.ts) may use a role
 * of their own.
 */

export const AUDIT_OUTCOMES = ['done', 'refused'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

export interface AuditEntry {
  /** Id of the principal; `null` when no one was signed in. */
  actor: string | null;
  /** In the past tense: `user_created`. */
  action: string;
  /** The object of the action, as `kind:id`. */
  subject?: string;
  /** What changed. Never a password, a key, a hash of one, or a value of a row. */
  details?: Record<string, unknown>;
  /** `done` by default. */
  outcome?: AuditOutcome;
}

/** An entry, and the request that it belongs to. */
export interface AuditRow extends AuditEntry {
  /** Of the client. */
  address: string | null;
  requestId: string | null;
  occurrences: number;
}

/** Records who did what. On the transaction of the change, either both are stored or neither. */
export function writeAudit(sql: Sql, entry: AuditEntry): Promise<void> {
  return insertAuditRows(sql, [inRequest(entry)]);
}

/** The entry as a row of the present request. */
export function inRequest(entry: AuditEntry): AuditRow {
  return {
    ...entry,
    address: currentRequest()?.ip ?? null,
    requestId: currentRequestId() ?? null,
    occurrences: 1,
  };
}

export async function insertAuditRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {
  const column = <Value>(valueOf: (row: AuditRow) => Value) => rows.map(valueOf);
  await sql.query(
    `INSERT INTO audit_log (actor, action, subject, details, outcome, occurrences, address, request_id)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::integer[], $7::text[], $8::text[])`,
    [
      column(({ actor }) => actor),
      column(({ action }) => action),
      column(({ subject }) => subject ?? null),
      column(({ details }) => JSON.stringify(details ?? {})),
      column(({ outcome }) => outcome ?? 'done'),
      column(({ occurrences }) => occurrences),
      column(({ address }) => address),
      column(({ requestId }) => requestId),
    ],
  );
}
