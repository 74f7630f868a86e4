import type { Sql } from '../database/transaction.js';

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
