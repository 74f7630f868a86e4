import type { Sql } from '../platform/database/database.service.js';
import { currentRequest, currentRequestId } from '../platform/instrumentation.js';

/*
 * Table audit_log. The application only inserts and reads rows; retention and erasure (audit-trail.ts) may use a role
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

/** Table audit_log, as `GET /API/Audit` and the page of the audit log read it. */
export interface StoredAuditEvent {
  id: number;
  at: Date;
  actor: string | null;
  action: string;
  /** As `kind:id`. */
  subject: string | null;
  outcome: AuditOutcome;
  occurrences: number;
  details: Record<string, unknown>;
  address: string | null;
  requestId: string | null;
}

export interface AuditSelection {
  /** Ids of principals. */
  actors?: readonly string[] | undefined;
  action?: string | undefined;
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
  /** Only events before this id. */
  before?: number | undefined;
  limit: number;
}

/** Newest first. */
export async function selectAuditEvents(
  sql: Sql,
  { actors, action, from, to, before, limit }: AuditSelection,
): Promise<StoredAuditEvent[]> {
  const { rows } = await sql.query<StoredAuditEvent>(
    `SELECT audit_id AS id, happened_at AS at, actor, action, subject, outcome, occurrences, details, address,
            request_id AS "requestId"
       FROM audit_log
      WHERE ($1::text[] IS NULL OR actor = ANY ($1::text[]))
        AND ($2::text IS NULL OR action = $2)
        AND ($3::timestamptz IS NULL OR happened_at >= $3)
        AND ($4::timestamptz IS NULL OR happened_at < $4)
        AND ($5::bigint IS NULL OR audit_id < $5)
      ORDER BY audit_id DESC
      LIMIT $6`,
    [actors ?? null, action ?? null, from ?? null, to ?? null, before ?? null, limit],
  );
  return rows;
}

/** The principals that someone may mean: the id itself, the user of an e-mail address, the keys of a name. */
export async function selectActorsNamed(sql: Sql, name: string): Promise<string[]> {
  const { rows } = await sql.query<{ id: string }>(
    `SELECT $1::text AS id
      UNION ALL SELECT 'user:' || user_id FROM app_user WHERE email = lower($1)
      UNION ALL SELECT 'api-key:' || api_key_id FROM api_key WHERE name = $1`,
    [name],
  );
  return rows.map(({ id }) => id);
}

/** The last time that a person was erased or anonymized, as the id of its entry; 0 if the log holds none. */
export async function selectLastErasure(sql: Sql): Promise<number> {
  const { rows } = await sql.query<{ id: number | null }>(
    `SELECT max(audit_id) AS id FROM audit_log
      WHERE action IN ('person_erasure_started', 'person_erased', 'person_anonymized')`,
  );
  return rows[0]?.id ?? 0;
}

/** Every action that the log holds, by name. It walks the index by action, not the rows. */
export async function selectAuditActions(sql: Sql): Promise<string[]> {
  const { rows } = await sql.query<{ action: string }>(
    `WITH RECURSIVE known AS (
       (SELECT action FROM audit_log ORDER BY action LIMIT 1)
       UNION ALL
       SELECT (SELECT action FROM audit_log WHERE action > known.action ORDER BY action LIMIT 1)
         FROM known WHERE known.action IS NOT NULL
     )
     SELECT action FROM known WHERE action IS NOT NULL`,
  );
  return rows.map(({ action }) => action);
}
