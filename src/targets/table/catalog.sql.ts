import type { Sql } from '../../platform/database/database.service.js';
import {
  type ColumnShape,
  type ConstraintShape,
  type ForeignKeyShape,
  OWN_TABLES,
  type TableName,
  type TableShape,
  type UniqueShape,
} from './table-shape.js';

/*
 * The catalog of the database that a connection leads to. Every function expects a transaction whose search_path is
 * pg_catalog, so that all names in expressions are written with their schemas.
 */

/** Tables of the schemas that imports may fill: by schema and name, without the application's own. */
export async function selectTables(sql: Sql, schemas: readonly string[]): Promise<TableName[]> {
  const { rows } = await sql.query<TableName>(
    `SELECT n.nspname AS schema, c.relname AS "table"
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND NOT (c.relname ~ $2 AND (c.relname IN ('import_queue_mark', 'import_queue_change') OR EXISTS (
          SELECT FROM pg_class own WHERE own.relnamespace = c.relnamespace AND own.relname = 'import_queue_batch')))
        AND has_schema_privilege(n.oid, 'USAGE')
      ORDER BY n.nspname, c.relname
      LIMIT 2000`,
    [[...schemas], OWN_TABLES],
  );
  return rows;
}

interface ColumnRow {
  name: string;
  type: string;
  castType: string;
  family: string;
  isSystemType: boolean;
  kind: string;
  isArray: boolean;
  isArrayOfDomain: boolean;
  domain: string | null;
  typmod: number;
  options: string[] | null;
  notNull: boolean;
  defaultValue: string | null;
  isGenerated: boolean;
  isFolded: boolean;
  checks: string[] | null;
}

/** The shape of a table; `null` if there is no such table among those that imports may fill. */
export async function selectShape(sql: Sql, { schema, table }: TableName): Promise<TableShape | null> {
  const found = await selectTables(sql, [schema]);
  if (!found.some((each) => each.table === table)) return null;
  const columns = await selectColumns(sql, { schema, table });
  return { columns, ...(await selectConstraints(sql, { schema, table })) };
}

const RELATION = `(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2)`;

async function selectColumns(sql: Sql, { schema, table }: TableName): Promise<ColumnShape[]> {
  const { rows } = await sql.query<ColumnRow>(
    `WITH RECURSIVE layer AS (
       SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod, 0 AS depth, a.attnotnull AS not_null,
              NULL::text COLLATE "C" AS default_value
         FROM pg_attribute a WHERE a.attrelid = ${RELATION} AND a.attnum > 0 AND NOT a.attisdropped
       UNION ALL
       SELECT l.attnum, t.typbasetype, t.typtypmod, l.depth + 1, l.not_null OR t.typnotnull,
              coalesce(l.default_value, pg_get_expr(t.typdefaultbin, 0) COLLATE "C")
         FROM layer l JOIN pg_type t ON t.oid = l.type WHERE t.typtype = 'd'
     ), base AS (
       SELECT DISTINCT ON (attnum) * FROM layer ORDER BY attnum, depth DESC
     )
     SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
            format_type(base.type, NULL) AS "castType", item.typname AS family, item.typtype AS kind,
            item.typnamespace = 'pg_catalog'::regnamespace AS "isSystemType",
            t.oid <> item.oid AS "isArray", item.typtype = 'd' AS "isArrayOfDomain",
            CASE WHEN base.depth > 0 THEN format_type(a.atttypid, NULL) END AS domain, base.typmod,
            (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = item.oid)
              AS options,
            base.not_null AS "notNull",
            coalesce(pg_get_expr(d.adbin, d.adrelid), base.default_value) AS "defaultValue",
            a.attgenerated <> '' OR a.attidentity <> '' AS "isGenerated",
            item.typname = 'citext' OR NOT coalesce(collation_.collisdeterministic, true) AS "isFolded",
            (SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname)
               FROM layer l JOIN pg_constraint k ON k.contypid = l.type
              WHERE l.attnum = a.attnum AND k.contype = 'c') AS checks
       FROM base
       JOIN pg_attribute a ON a.attrelid = ${RELATION} AND a.attnum = base.attnum
       JOIN pg_type t ON t.oid = base.type
       JOIN pg_type item ON item.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
       LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
       LEFT JOIN pg_collation collation_ ON collation_.oid = a.attcollation
      ORDER BY a.attnum`,
    [schema, table],
  );
  return rows.map(columnOf);
}

/** The types of `pg_catalog` that rows can have. */
const FAMILIES: ReadonlySet<string> = new Set([
  ...[
    'text',
    'varchar',
    'bpchar',
    'int2',
    'int4',
    'int8',
    'numeric',
    'float4',
    'float8',
    'bool',
    'date',
    'time',
  ],
  ...['timetz', 'timestamp', 'timestamptz', 'interval', 'uuid', 'json', 'jsonb', 'bytea', 'inet'],
]);
const FRACTIONAL = /^(?:time|timetz|timestamp|timestamptz)$/;
/** The length of a text, and the precision and scale of a number, are stored with this added. */
const HEADER = 4;

function columnOf(row: ColumnRow): ColumnShape {
  const {
    name,
    type,
    castType,
    isArray,
    domain,
    typmod,
    options,
    notNull,
    defaultValue,
    isGenerated,
    isFolded,
  } = row;
  const isEnum = row.kind === 'e';
  const isKnown = isEnum || row.family === 'citext' || (row.isSystemType && FAMILIES.has(row.family));
  const family = isEnum ? 'enum' : row.family;
  const modifier = typmod >= HEADER ? typmod - HEADER : null;
  return {
    name,
    type,
    // The catalog writes character for what SQL reads as character(1).
    castType: row.family === 'bpchar' ? `pg_catalog.bpchar${isArray ? '[]' : ''}` : castType,
    family: isKnown && !row.isArrayOfDomain ? family : null,
    isArray,
    domain,
    length: modifier !== null && (family === 'varchar' || family === 'bpchar') ? modifier : null,
    precision: precisionOf(family, typmod, modifier),
    // A scale can be negative: eleven bits with a sign.
    scale: modifier !== null && family === 'numeric' ? ((modifier & 0x7ff) ^ 1024) - 1024 : null,
    options,
    notNull,
    defaultValue,
    isGenerated,
    isFolded,
    checks: row.checks ?? [],
  };
}

/** Of a number its digits; of a time the digits of its fraction. */
function precisionOf(family: string, typmod: number, modifier: number | null): number | null {
  if (FRACTIONAL.test(family)) return typmod >= 0 ? typmod : null;
  return modifier !== null && family === 'numeric' ? (modifier >> 16) & 0xffff : null;
}

interface ConstraintRow extends ConstraintShape {
  kind: 'p' | 'u' | 'c' | 'f' | 'x' | 'i';
  isPlain: boolean;
  schema: string | null;
  table: string | null;
  references: string[] | null;
}

/** Constraints, and the unique indexes that have none, which a violation names just the same. */
async function selectConstraints(
  sql: Sql,
  { schema, table }: TableName,
): Promise<Omit<TableShape, 'columns'>> {
  const { rows } = await sql.query<ConstraintRow>(
    `SELECT k.conname AS name, k.contype AS kind, NOT k.condeferrable AS "isPlain",
            pg_get_constraintdef(k.oid) AS definition,
            coalesce((SELECT array_agg(a.attname::text ORDER BY position)
               FROM unnest(k.conkey) WITH ORDINALITY AS part (attnum, position)
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = part.attnum), '{}') AS columns,
            n.nspname AS schema, other.relname AS "table",
            (SELECT array_agg(a.attname::text ORDER BY position)
               FROM unnest(k.confkey) WITH ORDINALITY AS part (attnum, position)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = part.attnum) AS references
       FROM pg_constraint k
       LEFT JOIN pg_class other ON other.oid = k.confrelid
       LEFT JOIN pg_namespace n ON n.oid = other.relnamespace
      WHERE k.conrelid = ${RELATION} AND k.contype IN ('p', 'u', 'c', 'f', 'x')
     UNION ALL
     SELECT index.relname, 'i', i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid,
            pg_get_indexdef(i.indexrelid),
            coalesce((SELECT array_agg(a.attname::text ORDER BY position)
               FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS part (attnum, position)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
              WHERE position <= i.indnkeyatts), '{}'),
            NULL, NULL, NULL
       FROM pg_index i JOIN pg_class index ON index.oid = i.indexrelid
      WHERE i.indrelid = ${RELATION} AND i.indisunique
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
      ORDER BY 1`,
    [schema, table],
  );
  const uniques: UniqueShape[] = [];
  const foreignKeys: ForeignKeyShape[] = [];
  for (const { name, kind, isPlain, columns, references, ...other } of rows) {
    if (isPlain && (kind === 'p' || kind === 'u' || kind === 'i')) {
      uniques.push({ name, columns, isPrimary: kind === 'p' });
    } else if (kind === 'f' && other.schema !== null && other.table !== null) {
      foreignKeys.push({
        name,
        columns,
        schema: other.schema,
        table: other.table,
        references: references ?? [],
      });
    }
  }
  uniques.sort((a, b) => Number(b.isPrimary) - Number(a.isPrimary));
  const constraints = rows.map(({ name, columns, definition }) => ({ name, columns, definition }));
  return { uniques, foreignKeys, constraints };
}
