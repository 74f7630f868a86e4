import { createHash } from 'node:crypto';
import type { Sql } from '../../platform/database/database.service.js';
import { tableKey, type TableShapes } from './table-plan.js';
import type { TableName } from './table-shape.js';

/*
 * table_shape: how tables looked when batches started. A batch pins one, so that all of its records are read by the same
 * rules, and so that a worker needs no look at the catalog to read them.
 */

export interface SeenShapes {
  id: number;
  shapes: TableShapes;
}

/** Returns the id of these shapes. They are stored when they differ from what was seen before. */
export async function keepShapes(
  sql: Sql,
  connection: string,
  { schema, table }: TableName,
  shapes: TableShapes,
): Promise<number> {
  const text = JSON.stringify(shapes);
  const digest = digestOf(text);
  const key = [connection, schema, table, digest];
  const select = `SELECT table_shape_id AS id FROM table_shape
    WHERE connection = $1 AND schema_name = $2 AND table_name = $3 AND digest = $4`;
  const known = await sql.query<{ id: number }>(select, key);
  if (known.rows[0] !== undefined) return known.rows[0].id;
  const added = await sql.query<{ id: number }>(
    `INSERT INTO table_shape (connection, schema_name, table_name, digest, shapes) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (connection, schema_name, table_name, digest) DO NOTHING RETURNING table_shape_id AS id`,
    [...key, text],
  );
  const [stored] = added.rows.length > 0 ? added.rows : (await sql.query<{ id: number }>(select, key)).rows;
  if (stored === undefined) throw new Error('the shape of a table was deleted while it was stored');
  return stored.id;
}

export async function selectShapes(sql: Sql, id: number): Promise<TableShapes | null> {
  const { rows } = await sql.query<{ shapes: TableShapes }>(
    'SELECT shapes FROM table_shape WHERE table_shape_id = $1',
    [id],
  );
  return rows[0]?.shapes ?? null;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The newest shapes of the table that were seen together with those of the others.
 * @param except these, which are the present ones
 */
export async function selectLastShapes(
  sql: Sql,
  connection: string,
  { schema, table }: TableName,
  others: readonly TableName[],
  except: TableShapes | null = null,
): Promise<SeenShapes | null> {
  const { rows } = await sql.query<SeenShapes>(
    `SELECT table_shape_id AS id, shapes FROM table_shape
      WHERE connection = $1 AND schema_name = $2 AND table_name = $3 AND shapes ?& $4::text[]
        AND digest <> $5
      ORDER BY table_shape_id DESC LIMIT 1`,
    [
      connection,
      schema,
      table,
      others.map(tableKey),
      except === null ? '' : digestOf(JSON.stringify(except)),
    ],
  );
  return rows[0] ?? null;
}
