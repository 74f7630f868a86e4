import { textArray } from '../../../database/array-literal.js';
import type { Sql } from '../../../database/transaction.js';
import { MOST_CARRIERS } from '../identifier-index.js';

export interface Carrier {
  /** 1-based place of the value that was asked for. */
  place: number;
  instanceId: number;
}

/**
 * Which instances carry these identifiers; `names[i]` goes with `values[i]`. The limit also holds the planner to one
 * index look-up per value; left to its estimates for a table that has just grown, it reads the whole table, for every
 * chunk.
 */
export async function findCarriers(
  sql: Sql,
  workflowId: number,
  names: readonly string[],
  values: readonly string[],
): Promise<Carrier[]> {
  const { rows } = await sql.query<Carrier>(
    `SELECT wanted.place::integer, carrier.workflow_instance_id AS "instanceId"
       FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (name, value, place)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id FROM workflow_identifier
         WHERE workflow_id = $1 AND name = wanted.name COLLATE "C" AND value = wanted.value COLLATE "C"
         LIMIT $4
      ) AS carrier`,
    [workflowId, textArray(names), textArray(values), MOST_CARRIERS + 1],
  );
  return rows;
}
