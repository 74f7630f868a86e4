import type { Sql } from '../../database/transaction.js';

/** Keys whose answer is older than that, and those of calls that died. A step; ask again while it answers the limit. */
export async function deleteIdempotencyKeys(sql: Sql, hours: number, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM idempotency_key k
      USING (SELECT principal, key FROM idempotency_key
              WHERE created_at < now() - $1 * interval '1 hour' AND locked_until < now()
              ORDER BY created_at LIMIT $2) old
      WHERE k.principal = old.principal AND k.key = old.key AND k.locked_until < now()`,
    [hours, limit],
  );
  return rowCount;
}
