import type { Sql } from '../database/transaction.js';

/** What people call whoever made a batch: the name of an API key, the address of a person. */
export async function creatorNames(sql: Sql, ids: readonly string[]): Promise<(id: string) => string> {
  const keyIds = ids.flatMap((id) => /^api-key:(\d{1,15})$/.exec(id)?.[1] ?? []);
  const names = new Map<string, string>();
  if (keyIds.length > 0) {
    const { rows } = await sql.query<{ id: number; name: string }>(
      'SELECT api_key_id AS id, name FROM api_key WHERE api_key_id = ANY ($1::bigint[])',
      [keyIds],
    );
    for (const { id, name } of rows) names.set(`api-key:${id}`, name);
  }
  return (id) => names.get(id) ?? id.replace(/^administrator:/, '');
}
