import type { Sql } from '../platform/database/database.service.js';

/*
 * Table api_key. `ApiKeysService` creates and revokes keys through the entity; a key is never deleted, because batches
 * name their creator:
 *
 *   active -> expired (expires_at) or revoked (revoked_at)
 *
 * Only the bootstrap key can become active again, when BOOTSTRAP_API_KEY changes back to an earlier value.
 */

export interface ActiveApiKey {
  id: number;
  name: string;
  permissions: string[];
  importProcessIds: number[] | null;
  /** `last_used_at` is more than a minute old. */
  usageIsStale: boolean;
}

export async function selectActiveKey(sql: Sql, hash: Buffer): Promise<ActiveApiKey | undefined> {
  const { rows } = await sql.query<ActiveApiKey>(
    `SELECT api_key_id AS id, name, permissions, import_process_ids AS "importProcessIds",
       coalesce(last_used_at < now() - interval '1 minute', true) AS "usageIsStale"
     FROM api_key
     WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
    [hash],
  );
  return rows[0];
}

/** Repeats the condition of `usageIsStale`, because another process may have recorded the usage in between. */
export async function recordKeyUsage(sql: Sql, id: number): Promise<void> {
  await sql.query(
    `UPDATE api_key SET last_used_at = now()
     WHERE api_key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
    [id],
  );
}

export interface BootstrapKeyRow {
  hash: Buffer;
  hint: string;
  permissions: readonly string[];
  createdBy: string;
}

export async function ensureBootstrapKey(sql: Sql, key: BootstrapKeyRow): Promise<void> {
  await sql.query(
    `INSERT INTO api_key (name, key_hash, key_hint, permissions, created_by)
     VALUES ('Bootstrap key', $1, $2, $3, $4)
     ON CONFLICT (key_hash) DO UPDATE SET permissions = excluded.permissions, import_process_ids = NULL,
       expires_at = NULL, revoked_at = NULL, created_by = excluded.created_by`,
    [key.hash, key.hint, key.permissions, key.createdBy],
  );
}

/** Revokes the keys of this creator except the one with the hash. Returns how many it revoked. */
export async function revokeOtherKeys(sql: Sql, createdBy: string, kept: Buffer | null): Promise<number> {
  const { rowCount } = await sql.query(
    `UPDATE api_key SET revoked_at = now()
     WHERE created_by = $1 AND revoked_at IS NULL AND key_hash IS DISTINCT FROM $2`,
    [createdBy, kept],
  );
  return rowCount;
}
