import type { Sql } from '../../../database/transaction.js';

/** When the transaction began, by the clock of PostgreSQL, as ISO 8601. */
export async function selectNow(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ now: Date }>('SELECT now()');
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL does not say what time it is');
  return row.now.toISOString();
}
