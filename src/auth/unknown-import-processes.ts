import type { Sql } from '../database/transaction.js';

/**
 * Those of the ids that no import process has. One that was deleted is among them: a key for it could never be used.
 * Keys that were limited to it before keep its id, and with it a limit: ids are not given twice, so it lets nobody in.
 */
export async function unknownImportProcesses(sql: Sql, ids: readonly number[]): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT id FROM unnest($1::bigint[]) WITH ORDINALITY AS given (id, place)
      WHERE NOT EXISTS (SELECT FROM import_process WHERE import_process_id = given.id)
      ORDER BY place`,
    [ids],
  );
  return rows.map(({ id }) => id);
}
