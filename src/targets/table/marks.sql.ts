import { escapeLiteral } from 'pg';
import { copyField, type CopyInput, type TextRow } from '../../platform/database/copy-rows.js';
import type { Sql } from '../../platform/database/database.service.js';
import type { RecordOutcome, UndoOutcome } from '../../records/target.js';
import { identifier } from './table-shape.js';

type Outcome = RecordOutcome | UndoOutcome;
type Success = Extract<Outcome, { status: 'succeeded' }>;

/*
 * import_queue_mark, a table that this application creates in another database. A mark commits there with the
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

export async function doesExist(sql: Sql, table: string): Promise<boolean> {
  const { rows } = await sql.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [
    table,
  ]);
  return rows[0]?.exists === true;
}

/** Runs the statements that create a table, unless it exists. */
export async function createOnce(sql: Sql, table: string, statements: readonly string[]): Promise<void> {
  // Processes that start together would otherwise collide in the catalog.
  await sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [table]);
  if (await doesExist(sql, table)) return;
  for (const statement of statements) await sql.query(statement);
}

export function createMarks(sql: Sql, table: string): Promise<void> {
  return createOnce(sql, table, [
    `CREATE TABLE ${table} (
       installation text, batch bigint, chunk integer, attempt integer,
       outcomes json NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (installation, batch, chunk, attempt)
     )`,
    // A mark is read only after a crash, and soon deleted: to compress it would take longer than to write it.
    `ALTER TABLE ${table} ALTER COLUMN outcomes SET STORAGE EXTERNAL`,
  ]);
}

const chunkOf = ({ installation, batchId, chunkNumber }: MarkedChunk): string =>
  `${escapeLiteral(installation)}, ${batchId}, ${chunkNumber}`;

/**
 * Statements that make runs of one chunk take turns, and answer the outcomes that earlier ones stored. A run can be
 * frozen in its transaction while another worker takes over its chunk.
 */
export function selectMarked(table: string, chunk: MarkedChunk): string[] {
  const { installation, batchId, chunkNumber } = chunk;
  const lock = escapeLiteral(`import_queue ${installation} ${batchId} ${chunkNumber}`);
  return [
    `SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`,
    `SELECT outcomes FROM ${table} WHERE (installation, batch, chunk) = (${chunkOf(chunk)}) ORDER BY attempt`,
  ];
}

/** The operation of a success, as a mark stores it. */
const LETTERS: Readonly<Record<Success['operation'], string>> = {
  created: 'c',
  updated: 'u',
  unchanged: 'n',
  reverted: 'r',
};
const OF_LETTER = new Map(
  Object.entries(LETTERS).map(([operation, letter]) => [letter, operation as Success['operation']]),
);

/** The outcomes of a mark. Most are successes, whose parts take less time apart than together. */
interface StoredOutcomes {
  lines: number[];
  /** One letter per line. */
  operations: string;
  references: (string | null)[];
  others: Exclude<Outcome, Success>[];
}

/** The outcomes of a mark of 0.2.0-rc.1, whose workers can run beside those of this version. */
type FormerOutcomes = ([number, Success['operation'], string | null] | Exclude<Outcome, Success>)[];

/** @param rows the answer of `selectMarked` */
export function readMarked(rows: readonly TextRow[]): { attempts: number; outcomes: Outcome[] } {
  const outcomes: Outcome[] = [];
  for (const [text] of rows) {
    const stored = JSON.parse(text ?? '') as StoredOutcomes | FormerOutcomes;
    if (Array.isArray(stored)) {
      for (const each of stored) {
        if (!Array.isArray(each)) outcomes.push(each);
        else outcomes.push({ line: each[0], status: 'succeeded', operation: each[1], reference: each[2] });
      }
      continue;
    }
    const { lines, operations, references, others } = stored;
    for (const [index, line] of lines.entries()) {
      const operation = OF_LETTER.get(operations.charAt(index));
      if (operation === undefined) throw new Error('a mark has outcomes that this version cannot read');
      outcomes.push({ line, status: 'succeeded', operation, reference: references[index] ?? null });
    }
    outcomes.push(...others);
  }
  return { attempts: rows.length, outcomes };
}

/** The row that stores the outcomes of a run. */
export function markRow(
  table: string,
  chunk: MarkedChunk,
  attempt: number,
  outcomes: readonly Outcome[],
): CopyInput {
  const successes = outcomes.filter((each) => each.status === 'succeeded');
  const stored: StoredOutcomes = {
    lines: successes.map(({ line }) => line),
    operations: successes.map(({ operation }) => LETTERS[operation]).join(''),
    references: successes.map(({ reference }) => reference),
    others: outcomes.filter((each) => each.status !== 'succeeded'),
  };
  const { installation, batchId, chunkNumber } = chunk;
  const fields = [installation, batchId, chunkNumber, attempt, JSON.stringify(stored)];
  return {
    into: `${table} (installation, batch, chunk, attempt, outcomes)`,
    rows: Buffer.from(`${fields.map((field) => copyField(String(field))).join('\t')}\n`),
  };
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
