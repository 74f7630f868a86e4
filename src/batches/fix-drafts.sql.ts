import { integerArray, textArray } from '../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { RecordStatus } from '../records/record-status.js';

/*
 * Tables `fix_draft` (one row per batch and person) and `fix_draft_cell`: what a person has changed in the failed rows
 * of a batch and not sent yet. A draft ends when its last row is sent, or with the records of its batch.
 */

/** Replaces a value of one field in all failed rows. */
export interface Replacement {
  field: string;
  from: string;
  to: string;
}

/** What a person wants of one failed row. */
interface DraftRow {
  /** The changed cells, by field. */
  cells: Map<string, string>;
  /** Whether the row is sent; `null`: not stated. */
  send: boolean | null;
}

/** What a person has changed and not sent yet. */
export interface FixDraft {
  replacements: Replacement[];
  rows: Map<number, DraftRow>;
  /** `null` if there is no draft. */
  savedAt: Date | null;
}

/** A change of one cell; `null` returns to the value that was sent. */
export interface DraftChange {
  line: number;
  /** Empty: whether the row is sent, as `yes` or `no`. */
  field: string;
  value: string | null;
}

/** The field of the cell that states whether a row is sent. No field of a row has an empty name. */
export const SEND_FIELD = '';

interface CellRow {
  line: number;
  field: string;
  value: string;
}

/** The draft of a person, with the cells of these lines; of all lines if none are given. */
export async function selectDraft(
  sql: Sql,
  batchId: number,
  person: string,
  lines: readonly number[] | null = null,
): Promise<FixDraft> {
  const { rows: drafts } = await sql.query<{ replacements: Replacement[]; savedAt: Date }>(
    `SELECT replacements, saved_at AS "savedAt" FROM fix_draft
      WHERE workflow_import_queue_batch_id = $1 AND created_by = $2`,
    [batchId, person],
  );
  const [draft] = drafts;
  if (draft === undefined) return { replacements: [], rows: new Map(), savedAt: null };
  const { rows: cells } = await sql.query<CellRow>(
    `SELECT line_number AS line, field, value FROM fix_draft_cell
      WHERE workflow_import_queue_batch_id = $1 AND created_by = $2
        AND ($3::integer[] IS NULL OR line_number = ANY ($3))`,
    [batchId, person, lines === null ? null : integerArray(lines)],
  );
  return { ...draft, rows: rowsOf(cells) };
}

function rowsOf(cells: readonly CellRow[]): Map<number, DraftRow> {
  const rows = new Map<number, DraftRow>();
  for (const { line, field, value } of cells) {
    let row = rows.get(line);
    if (row === undefined) {
      row = { cells: new Map(), send: null };
      rows.set(line, row);
    }
    if (field === SEND_FIELD) row.send = value === 'yes';
    else row.cells.set(field, value);
  }
  return rows;
}

/** Creates the draft if there is none, and locks it until the end of the transaction. */
export async function openDraft(transaction: Transaction, batchId: number, person: string): Promise<void> {
  await transaction.query(
    `INSERT INTO fix_draft (workflow_import_queue_batch_id, created_by) VALUES ($1, $2)
     ON CONFLICT (workflow_import_queue_batch_id, created_by) DO UPDATE SET saved_at = now()`,
    [batchId, person],
  );
}

/** Stores the changes in an open draft. Answers how many cells the draft then has. */
export async function writeDraftCells(
  transaction: Transaction,
  batchId: number,
  person: string,
  changes: readonly DraftChange[],
): Promise<number> {
  const reverted = changes.filter(({ value }) => value === null);
  const changed = changes.filter(
    (change): change is DraftChange & { value: string } => change.value !== null,
  );
  if (reverted.length > 0) {
    await transaction.query(
      `DELETE FROM fix_draft_cell c USING unnest($3::integer[], $4::text[]) AS gone (line, field)
        WHERE c.workflow_import_queue_batch_id = $1 AND c.created_by = $2
          AND c.line_number = gone.line AND c.field = gone.field`,
      [
        batchId,
        person,
        integerArray(reverted.map(({ line }) => line)),
        textArray(reverted.map(({ field }) => field)),
      ],
    );
  }
  if (changed.length > 0) {
    await transaction.query(
      `INSERT INTO fix_draft_cell (workflow_import_queue_batch_id, created_by, line_number, field, value)
       SELECT $1, $2, line, field, value FROM unnest($3::integer[], $4::text[], $5::text[]) AS c (line, field, value)
       ON CONFLICT (workflow_import_queue_batch_id, created_by, line_number, field) DO UPDATE SET value = excluded.value`,
      [
        batchId,
        person,
        integerArray(changed.map(({ line }) => line)),
        textArray(changed.map(({ field }) => field)),
        textArray(changed.map(({ value }) => value)),
      ],
    );
  }
  return countDraftCells(transaction, batchId, person);
}

async function countDraftCells(sql: Sql, batchId: number, person: string): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM fix_draft_cell
      WHERE workflow_import_queue_batch_id = $1 AND created_by = $2 AND field <> $3`,
    [batchId, person, SEND_FIELD],
  );
  return rows[0]?.count ?? 0;
}

/** Stores all replacements of an open draft. */
export async function writeReplacements(
  transaction: Transaction,
  batchId: number,
  person: string,
  replacements: readonly Replacement[],
): Promise<void> {
  await transaction.query(
    `UPDATE fix_draft SET replacements = $3, saved_at = now()
      WHERE workflow_import_queue_batch_id = $1 AND created_by = $2`,
    [batchId, person, JSON.stringify(replacements)],
  );
}

/** Forgets what was changed in these lines, because they were sent. */
export async function deleteDraftLines(
  sql: Sql,
  batchId: number,
  person: string,
  lines: readonly number[],
): Promise<void> {
  await sql.query(
    `DELETE FROM fix_draft_cell
      WHERE workflow_import_queue_batch_id = $1 AND created_by = $2 AND line_number = ANY ($3)`,
    [batchId, person, integerArray(lines)],
  );
}

/** Forgets the draft of a person, or, without one, all drafts of the batch. */
export async function deleteDrafts(sql: Sql, batchId: number, person: string | null = null): Promise<void> {
  await sql.query(
    `DELETE FROM fix_draft WHERE workflow_import_queue_batch_id = $1 AND created_by = coalesce($2, created_by)`,
    [batchId, person],
  );
}

/**
 * The batches that sent records of this one again, at any distance (bounded). Fixed and retried records keep their line;
 * those of an uploaded file name it, and so do the records that were fixed afterwards. Lines of a file that was
 * downloaded from such a batch again mean something else.
 */
const DESCENDANTS = `
  WITH RECURSIVE child AS (
    SELECT workflow_import_queue_batch_id AS id, upload IS NOT NULL AS "byOrigin", 1 AS depth
      FROM import_queue_batch WHERE retry_of = $1 OR resend_of = $1
    UNION ALL
    SELECT b.workflow_import_queue_batch_id, child."byOrigin" OR b.upload IS NOT NULL, child.depth + 1
      FROM child JOIN import_queue_batch b ON b.retry_of = child.id OR b.resend_of = child.id
     WHERE child.depth < 50 AND NOT (child."byOrigin" AND b.upload IS NOT NULL)
  )`;

/** The batches in which records of this one were sent again and succeeded, or still wait, by line. */
export async function selectDoneLines(
  sql: Sql,
  batchId: number,
  lines: readonly number[],
): Promise<Map<number, number>> {
  const { rows: children } = await sql.query<{ id: number; byOrigin: boolean }>(
    `${DESCENDANTS} SELECT DISTINCT id, "byOrigin" FROM child ORDER BY id`,
    [batchId],
  );
  const done = new Map<number, number>();
  // One statement each: the records of several batches may be in several partitions.
  for (const { id, byOrigin } of children) {
    const { rows } = await sql.query<{ line: number }>(
      `SELECT CASE WHEN $4 THEN origin_line ELSE line_number END AS line FROM import_queue_record
        WHERE workflow_import_queue_batch_id = $1 AND status = ANY ($3)
          AND CASE WHEN $4 THEN origin_line ELSE line_number END = ANY ($2::integer[])`,
      [id, integerArray(lines), textArray(SETTLED), byOrigin],
    );
    for (const { line } of rows) if (!done.has(line)) done.set(line, id);
  }
  return done;
}

const SETTLED: readonly RecordStatus[] = ['succeeded', 'skipped', 'pending', 'processing'];
