import type { Sql, Transaction } from '../platform/database/database.service.js';
import type { JsonValue } from '../platform/json/json-value.js';
import type {
  ExistingThings,
  FieldChange,
  PreviewedOutcome,
  RecordError,
  RecordOutcome,
  SameThing,
} from '../records/target.js';

/*
 * import_queue_preview. One row per chunk, without states. One transaction inserts all rows of a batch while it awaits
 * confirmation. Rows are never updated, and are deleted with the records of the batch.
 *
 * import_queue_preview_run. A row exists while the preview of a large batch is being made after the answer. The process
 * that makes it renews `alive_at`; a row that is older than `STALE_SECONDS` belongs to a process that has died.
 */

const STALE_SECONDS = 60;

export const PREVIEW_OPERATIONS = ['create', 'update', 'unchanged', 'skip', 'reject'] as const;
/** The effect that a record would have. */
export type PreviewOperation = (typeof PREVIEW_OPERATIONS)[number];
export type PreviewCounts = Record<PreviewOperation, number>;

/** The operation of a record as routes name it; `invalid` records were refused before. */
export const PREVIEW_RESULTS = ['created', 'updated', 'unchanged', 'skipped', 'rejected', 'invalid'] as const;
export type PreviewResult = (typeof PREVIEW_RESULTS)[number];

const RESULTS: Readonly<Record<PreviewOperation, PreviewResult>> = {
  create: 'created',
  update: 'updated',
  unchanged: 'unchanged',
  skip: 'skipped',
  reject: 'rejected',
};

export interface PreviewedRecord {
  line: number;
  /** The row that a spreadsheet shows. */
  row: number;
  operation: PreviewResult;
  /** The instance that the record would change; `null` if the instance does not exist yet. */
  reference: string | null;
  changes: FieldChange[];
  /** Why the record would be rejected. */
  error: RecordError | null;
}

/** The stored form is an array, because member names would take most of the space. */
export type StoredPreview = [
  line: number,
  operation: PreviewOperation,
  reference: string | null,
  ...error: [] | [code: string, message: string, pointer: string | null],
];

const OPERATIONS = { created: 'create', updated: 'update', unchanged: 'unchanged' } as const;

function toStoredPreview(outcome: RecordOutcome): StoredPreview {
  const { line, reference } = outcome;
  switch (outcome.status) {
    case 'succeeded':
      return [line, OPERATIONS[outcome.operation], reference];
    case 'skipped':
      return [line, 'skip', reference];
    case 'failed': {
      const { code, message, pointer } = outcome.error;
      return [line, 'reject', reference, code, message, pointer ?? null];
    }
  }
}

/**
 * What the records of a chunk would do, in line order.
 * @param shownRows the rows that a spreadsheet shows, by line, where they differ
 */
export function previewedRecords(
  { outcomes, changes }: PreviewedChunk,
  shownRows: ReadonlyMap<number, number>,
): PreviewedRecord[] {
  return outcomes.map(([line, operation, reference, ...error], index) => {
    const [code, message, pointer] = error;
    return {
      ...{ line, row: shownRows.get(line) ?? line, operation: RESULTS[operation], reference },
      changes: changesAt(changes, index),
      error:
        code === undefined || message === undefined
          ? null
          : { code, message, ...(pointer != null && { pointer }) },
    };
  });
}

/** The stored operation that a result stands for; `undefined` for `invalid`, which has no outcome. */
export function storedOperation(result: PreviewResult): PreviewOperation | undefined {
  return PREVIEW_OPERATIONS.find((operation) => RESULTS[operation] === result);
}

/** The changes of the outcomes of one chunk. Most of them change the same fields, so each list of names is stored once. */
export interface StoredChanges {
  fields: string[][];
  /** One per outcome: the place of its fields, then each value before and after; `null` if it changes nothing. */
  values: ([place: number, ...beforeAndAfter: JsonValue[]] | null)[];
}

/** In previews that 0.2.0-rc.1 made: `[before, after]` by field, for each outcome. */
export type EarlierChanges = (Record<string, [before: JsonValue, after: JsonValue]> | null)[];

/** What the records of a batch would change. */
export interface ChangeCounts {
  /** The updates that change a field, most frequent first. */
  fieldChanges: { field: string; count: number }[];
  /** Stored values that would be cleared, and the records that clear them. */
  cleared: { values: number; rows: number };
  sameThing: SameThing[];
  /** `null` if the target does not count them. */
  existing: ExistingThings | null;
}

/** What a preview found out about the batch as a whole; stored with its last chunk. */
export interface WholePreview {
  sameThings: readonly SameThing[];
  existing: ExistingThings | null;
}

/** The preview of one chunk. It grows piece by piece, so that the outcomes of few records are in memory at a time. */
export class ChunkPreview {
  readonly outcomes: StoredPreview[] = [];
  readonly counts: PreviewCounts = { create: 0, update: 0, unchanged: 0, skip: 0, reject: 0 };
  readonly changes: StoredChanges = { fields: [], values: [] };
  /** The updates that change each field. */
  readonly fieldChanges = new Map<string, number>();
  readonly cleared = { values: 0, rows: 0 };
  private readonly places = new Map<string, number>();
  private place = -1;

  /** @param outcomes of the next records, in line order */
  add(outcomes: readonly PreviewedOutcome[]): void {
    for (const outcome of outcomes) {
      const { operation, changes = [] } = outcome;
      const stored = toStoredPreview(outcome);
      this.outcomes.push(stored);
      this.counts[stored[1]] += 1;
      this.changes.values.push(changes.length === 0 ? null : this.storedChanges(changes));
      if (operation === 'updated') this.countChanges(changes);
    }
  }

  private storedChanges(changes: readonly FieldChange[]): [place: number, ...values: JsonValue[]] {
    const { fields } = this.changes;
    if (!hasFields(changes, fields[this.place])) {
      const names = changes.map(({ field }) => field);
      const key = JSON.stringify(names);
      this.place = this.places.get(key) ?? fields.push(names) - 1;
      this.places.set(key, this.place);
    }
    const stored: [number, ...JsonValue[]] = [this.place];
    for (const { before, after } of changes) stored.push(before, after);
    return stored;
  }

  private countChanges(changes: readonly FieldChange[]): void {
    let cleared = 0;
    for (const { field, before, after } of changes) {
      this.fieldChanges.set(field, (this.fieldChanges.get(field) ?? 0) + 1);
      if (after === null && before !== null) cleared += 1;
    }
    this.cleared.values += cleared;
    if (cleared > 0) this.cleared.rows += 1;
  }
}

function hasFields(changes: readonly FieldChange[], names: readonly string[] | undefined): boolean {
  return names?.length === changes.length && changes.every(({ field }, index) => field === names[index]);
}

/** The changes of the outcome at `index`. */
function changesAt(stored: StoredChanges | EarlierChanges | null, index: number): FieldChange[] {
  if (Array.isArray(stored)) {
    return Object.entries(stored[index] ?? {}).map(([field, [before, after]]) => ({ field, before, after }));
  }
  const [place, ...values] = stored?.values[index] ?? [];
  const names = place === undefined ? [] : (stored?.fields[place] ?? []);
  return names.map((field, at) => ({
    field,
    before: values[2 * at] ?? null,
    after: values[2 * at + 1] ?? null,
  }));
}

/**
 * Stores the preview of one chunk.
 * @param whole with the last chunk; else `null`
 */
export async function insertPreview(
  transaction: Transaction,
  batchId: number,
  chunkNumber: number,
  { outcomes, counts, changes, fieldChanges, cleared }: ChunkPreview,
  whole: WholePreview | null,
): Promise<void> {
  const { create, update, unchanged, skip, reject } = counts;
  await transaction.query(
    `INSERT INTO import_queue_preview (workflow_import_queue_batch_id, chunk_number, create_count, update_count,
       unchanged_count, skip_count, reject_count, outcomes, changes, field_changes, cleared_values, cleared_rows,
       same_things, existing_things, changed_things)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    [
      ...[batchId, chunkNumber, create, update, unchanged, skip, reject, JSON.stringify(outcomes)],
      JSON.stringify(changes),
      JSON.stringify(Object.fromEntries(fieldChanges)),
      ...[cleared.values, cleared.rows],
      whole === null ? null : JSON.stringify(whole.sameThings),
      ...[whole?.existing?.total, whole?.existing?.changed],
    ],
  );
}

/** What the records of a previewed batch would change. */
export async function selectChangeCounts(sql: Sql, batchId: number): Promise<ChangeCounts> {
  const { rows } = await sql.query<{
    fields: { field: string; count: number }[] | null;
    values: number;
    rows: number;
    sameThing: SameThing[] | null;
    existing: number | null;
    changed: number | null;
  }>(
    `SELECT (SELECT json_agg(json_build_object('field', field, 'count', count) ORDER BY count DESC, field)
               FROM (SELECT key AS field, sum(value::int)::int AS count
                       FROM import_queue_preview p, json_each_text(p.field_changes)
                      WHERE p.workflow_import_queue_batch_id = $1 GROUP BY key) counted) AS fields,
            coalesce(sum(cleared_values), 0) AS "values", coalesce(sum(cleared_rows), 0) AS "rows",
            (SELECT same_things FROM import_queue_preview
              WHERE workflow_import_queue_batch_id = $1 AND same_things IS NOT NULL
              ORDER BY chunk_number DESC LIMIT 1) AS "sameThing",
            max(existing_things) AS existing, max(changed_things) AS changed
       FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  const [found] = rows;
  return {
    fieldChanges: found?.fields ?? [],
    cleared: { values: found?.values ?? 0, rows: found?.rows ?? 0 },
    sameThing: found?.sameThing ?? [],
    existing: found?.existing == null ? null : { total: found.existing, changed: found.changed ?? 0 },
  };
}

/** Counts of a stored preview; `null` if there is none. */
export async function selectPreviewCounts(sql: Sql, batchId: number): Promise<PreviewCounts | null> {
  const { rows } = await sql.query<PreviewCounts & { chunks: number }>(
    `SELECT count(*) AS chunks, coalesce(sum(create_count), 0) AS "create",
            coalesce(sum(update_count), 0) AS "update", coalesce(sum(unchanged_count), 0) AS "unchanged",
            coalesce(sum(skip_count), 0) AS "skip", coalesce(sum(reject_count), 0) AS "reject"
       FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  const [row] = rows;
  if (row === undefined || row.chunks === 0) return null;
  const { create, update, unchanged, skip, reject } = row;
  return { create, update, unchanged, skip, reject };
}

/** The preview of one chunk, with the range of its lines. */
export interface PreviewedChunk {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  /** Records that were refused before, and so have no outcome. */
  invalid: number;
  outcomes: StoredPreview[];
  changes: StoredChanges | EarlierChanges | null;
}

/** The next chunks of a stored preview that have a matching record, beginning with this number. */
export async function selectPreviewChunks(
  sql: Sql,
  batchId: number,
  from: { chunkNumber: number; operation: PreviewOperation | undefined },
  limit: number,
): Promise<PreviewedChunk[]> {
  const { rows } = await sql.query<PreviewedChunk>(
    `SELECT p.chunk_number AS "chunkNumber", c.first_line AS "firstLine", c.last_line AS "lastLine",
            c.invalid_count AS invalid, p.outcomes, p.changes
       FROM import_queue_preview p
       JOIN import_queue_chunk c USING (workflow_import_queue_batch_id, chunk_number)
      WHERE p.workflow_import_queue_batch_id = $1 AND p.chunk_number >= $2
        AND CASE $4::text WHEN 'create' THEN create_count WHEN 'update' THEN update_count WHEN 'skip' THEN skip_count
              WHEN 'unchanged' THEN p.unchanged_count WHEN 'reject' THEN reject_count ELSE 1 END > 0
      ORDER BY p.chunk_number LIMIT $3`,
    [batchId, from.chunkNumber, limit, from.operation],
  );
  return rows;
}

export async function deletePreview(sql: Sql, batchId: number): Promise<void> {
  await sql.query('DELETE FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1', [batchId]);
}

/** How far the preview of a large batch is. */
export interface PreviewProgress {
  processed: number;
  total: number;
}

/** Announces that a preview is being made. Returns whether it was not announced before. */
export async function beginPreviewRun(sql: Sql, batchId: number, total: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    `INSERT INTO import_queue_preview_run (workflow_import_queue_batch_id, total) VALUES ($1, $2)
     ON CONFLICT DO NOTHING`,
    [batchId, total],
  );
  return rowCount === 1;
}

/** A sign of life of the preview, with the records so far. */
export async function renewPreviewRun(sql: Sql, batchId: number, previewed: number): Promise<void> {
  await sql.query(
    `UPDATE import_queue_preview_run SET previewed = $2, alive_at = now()
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId, previewed],
  );
}

export async function endPreviewRun(sql: Sql, batchId: number): Promise<void> {
  await sql.query('DELETE FROM import_queue_preview_run WHERE workflow_import_queue_batch_id = $1', [
    batchId,
  ]);
}

/** `null` if no preview of the batch is being made in the background. */
export async function selectPreviewProgress(sql: Sql, batchId: number): Promise<PreviewProgress | null> {
  const { rows } = await sql.query<PreviewProgress>(
    `SELECT previewed AS processed, total FROM import_queue_preview_run
      WHERE workflow_import_queue_batch_id = $1`,
    [batchId],
  );
  return rows[0] ?? null;
}

/** Takes over one preview whose process has died; answers the id of its batch. */
export async function claimLostPreviewRun(sql: Sql): Promise<number | null> {
  const { rows } = await sql.query<{ id: number }>(
    `UPDATE import_queue_preview_run SET previewed = 0, alive_at = now()
      WHERE workflow_import_queue_batch_id = (
        SELECT workflow_import_queue_batch_id FROM import_queue_preview_run
         WHERE alive_at < now() - interval '${STALE_SECONDS} seconds'
         ORDER BY alive_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING workflow_import_queue_batch_id AS id`,
  );
  return rows[0]?.id ?? null;
}
