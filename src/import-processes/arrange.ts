import type { Sql } from '../database/transaction.js';

/** Leaves room for those that are put between by their number. */
const STEP = 10;

/** Gives the import processes display orders in the order of the ids. An order is no part of what a batch pins. */
export async function arrange(sql: Sql, ids: readonly number[]): Promise<void> {
  await sql.query(
    `UPDATE import_process SET display_order = place.number * ${STEP}
       FROM unnest($1::bigint[]) WITH ORDINALITY AS place (id, number)
      WHERE import_process_id = place.id AND display_order <> place.number * ${STEP}`,
    [ids],
  );
}
