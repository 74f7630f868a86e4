import type { Sql } from '../platform/database/database.service.js';
import { currentRequest, currentRequestId } from '../platform/logging/logging.js';

export interface AuditEntry {
  /** Id of the principal; `null` when no one was signed in. */
  actor: string | null;
  /** In the past tense: `user_created`. */
  action: string;
  /** The object of the action, as `kind:id`. */
  subject?: string;
  /** What changed. Never a password, a key or a hash of one. */
  details?: Record<string, unknown>;
}

/** Records who did what. On the transaction of the change, either both are stored or neither. */
export async function writeAudit(sql: Sql, entry: AuditEntry): Promise<void> {
  const { actor, action, subject = null, details = {} } = entry;
  await sql.query(
    `INSERT INTO audit_log (actor, action, subject, details, address, request_id)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [actor, action, subject, JSON.stringify(details), currentRequest()?.ip ?? null, currentRequestId()],
  );
}
