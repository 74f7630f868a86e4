import type { Sql } from '../platform/database/transaction.js';
import { currentRequest, currentRequestId } from '../platform/logging/request-context.js';

export interface AuditEntry {
  /** Id of the principal; `null`: nobody who was signed in. */
  actor: string | null;
  /** What was done, in the past tense: `user_created`. */
  action: string;
  /** What it was done to, as `kind:id`. */
  subject?: string;
  /** What changed. Never a password, a key or a hash of one. */
  details?: Record<string, unknown>;
}

/** Who did what, written with the change itself: on its transaction both happen, or neither. */
export async function writeAudit(sql: Sql, entry: AuditEntry): Promise<void> {
  const { actor, action, subject = null, details = {} } = entry;
  await sql.query(
    `INSERT INTO audit_log (actor, action, subject, details, address, request_id)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [actor, action, subject, JSON.stringify(details), currentRequest()?.ip ?? null, currentRequestId()],
  );
}

/** What people call whoever made a batch: the name of an API key, the address of a person. */
export async function creatorNames(sql: Sql, ids: readonly string[]): Promise<(id: string) => string> {
  const names = new Map<string, string>();
  await learn(names, sql, ids, 'api-key:', 'SELECT api_key_id AS id, name FROM api_key WHERE api_key_id');
  await learn(names, sql, ids, 'user:', 'SELECT user_id AS id, email AS name FROM app_user WHERE user_id');
  return (id) => names.get(id) ?? id;
}

async function learn(
  names: Map<string, string>,
  sql: Sql,
  ids: readonly string[],
  prefix: string,
  select: string,
): Promise<void> {
  const numbers = ids.filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
  const wanted = [...new Set(numbers)].filter((id) => /^\d{1,15}$/.test(id));
  if (wanted.length === 0) return;
  const { rows } = await sql.query<{ id: number; name: string }>(`${select} = ANY ($1::bigint[])`, [wanted]);
  for (const { id, name } of rows) names.set(`${prefix}${id}`, name);
}
