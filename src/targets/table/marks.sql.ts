import type { Sql } from '../../platform/database/database.service.js';
import type { RecordOutcome } from '../../records/target.js';
import { identifier } from './table-statements.js';

/*
 * import_queue_mark, the one table that this application creates in another database. A mark commits there with the
 * effects of a chunk and holds its outcomes, so that a chunk whose own commit is lost does not repeat the effects.
 * Why: ADR 33.
 */

/** A chunk of a batch of an installation. */
export interface MarkedChunk {
  installation: string;
  batchId: number;
  chunkNumber: number;
}

/** The table for the marks, in a schema that imports may use. */
export const markTable = (schema: string): string => `${identifier(schema)}.import_queue_mark`;

export async function createMarks(sql: Sql, table: string): Promise<void> {
  // Processes that start together would otherwise collide in the catalog.
  await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended('import_queue_mark', 0))`);
  const { rows } = await sql.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [
    table,
  ]);
  if (rows[0]?.exists === true) return;
  await sql.query(
    `CREATE TABLE ${table} (
       installation text, batch bigint, chunk integer, attempt integer,
       outcomes jsonb NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (installation, batch, chunk, attempt)
     )`,
  );
}

/**
 * Makes runs of one chunk take turns, and answers the outcomes that earlier ones stored. A run can be frozen in its
 * transaction while another worker takes over its chunk.
 */
export async function selectMarked(
  sql: Sql,
  table: string,
  { installation, batchId, chunkNumber }: MarkedChunk,
): Promise<{ attempts: number; outcomes: RecordOutcome[] }> {
  await sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `import_queue ${installation} ${batchId} ${chunkNumber}`,
  ]);
  const { rows } = await sql.query<{ outcomes: RecordOutcome[] }>(
    `SELECT outcomes FROM ${table} WHERE installation = $1 AND batch = $2 AND chunk = $3 ORDER BY attempt`,
    [installation, batchId, chunkNumber],
  );
  return { attempts: rows.length, outcomes: rows.flatMap(({ outcomes }) => outcomes) };
}

export async function insertMark(
  sql: Sql,
  table: string,
  { installation, batchId, chunkNumber }: MarkedChunk,
  attempt: number,
  outcomes: readonly RecordOutcome[],
): Promise<void> {
  await sql.query(
    `INSERT INTO ${table} (installation, batch, chunk, attempt, outcomes) VALUES ($1, $2, $3, $4, $5)`,
    [installation, batchId, chunkNumber, attempt, JSON.stringify(outcomes)],
  );
}

const MOST_FORGOTTEN = 5_000;

/** Chunks with marks that are old enough for their own commit to have followed. */
export async function selectOldMarks(
  sql: Sql,
  table: string,
  installation: string,
): Promise<{ batchId: number; chunkNumber: number }[]> {
  const { rows } = await sql.query<{ batchId: string; chunkNumber: number }>(
    `SELECT DISTINCT batch::text AS "batchId", chunk AS "chunkNumber" FROM ${table}
      WHERE installation = $1 AND created_at < now() - interval '10 minutes' LIMIT ${MOST_FORGOTTEN}`,
    [installation],
  );
  return rows.map(({ batchId, chunkNumber }) => ({ batchId: Number(batchId), chunkNumber }));
}

export async function deleteMarks(
  sql: Sql,
  table: string,
  installation: string,
  chunks: readonly { batchId: number; chunkNumber: number }[],
): Promise<void> {
  await sql.query(
    `DELETE FROM ${table} m USING unnest($2::bigint[], $3::integer[]) AS done (batch, chunk)
      WHERE m.installation = $1 AND m.batch = done.batch AND m.chunk = done.chunk`,
    [installation, chunks.map(({ batchId }) => batchId), chunks.map(({ chunkNumber }) => chunkNumber)],
  );
}
