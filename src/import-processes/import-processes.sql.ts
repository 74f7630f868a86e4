import type { Sql } from '../platform/database/database.service.js';
import type { TargetConfiguration } from '../records/target.js';
import type { ProcessControl } from '../batches/batch-state.js';
import type { ImportProcess, ImportProcessInput } from './import-process.js';

/*
 * Tables `import_process` (one row each, with the number of the current version) and `import_process_version` (one row per
 * version, which never changes):
 *
 *     create ──▶ active ◀──▶ disabled ──delete, only without batches──▶ (none)
 *
 * `ImportProcessesService` inserts and updates the entities.
 */

/** The current versions by display order: all of them, or one. */
export async function selectImportProcesses(sql: Sql, id: number | null = null): Promise<ImportProcess[]> {
  const { rows } = await sql.query<ImportProcess>(
    `SELECT import_process_id AS id, key, version, import_process.name, description, note, icon,
            display_order AS "displayOrder", status, retention_days AS "retentionDays", ordered, priority,
            max_failed AS "maxFailed", max_failed_percent AS "maxFailedPercent", time_zone AS "timeZone",
            allow_without_identifier AS "allowWithoutIdentifier", target, record_schema AS "recordSchema",
            import_process.created_at AS "createdAt", updated_at AS "updatedAt"
       FROM import_process JOIN import_process_version USING (import_process_id)
      WHERE version = current_version AND ($1::bigint IS NULL OR import_process_id = $1)
      ORDER BY display_order, import_process.name`,
    [id],
  );
  return rows;
}

/**
 * The current targets of these import processes. Callers compare the targets, because PostgreSQL would fail on an
 * escape of U+0000 anywhere in one of them.
 */
export async function selectCurrentTargets(sql: Sql, ids: readonly number[]): Promise<TargetConfiguration[]> {
  const { rows } = await sql.query<{ target: TargetConfiguration }>(
    `SELECT target FROM import_process JOIN import_process_version USING (import_process_id)
      WHERE import_process_id = ANY ($1::bigint[]) AND version = current_version`,
    [ids],
  );
  return rows.map(({ target }) => target);
}

/** The configuration of an import process from one change to the next. */
export interface ImportProcessVersion extends Pick<
  ImportProcessInput,
  | 'name'
  | 'target'
  | 'recordSchema'
  | 'ordered'
  | 'timeZone'
  | 'allowWithoutIdentifier'
  | keyof ProcessControl
> {
  version: number;
  createdBy: string;
  createdAt: Date;
}

/** Newest first, at most `limit`. */
export async function selectVersions(sql: Sql, id: number, limit: number): Promise<ImportProcessVersion[]> {
  const { rows } = await sql.query<ImportProcessVersion>(
    `SELECT version, name, target, record_schema AS "recordSchema", ordered, priority, max_failed AS "maxFailed",
            max_failed_percent AS "maxFailedPercent", time_zone AS "timeZone",
            allow_without_identifier AS "allowWithoutIdentifier", created_by AS "createdBy", created_at AS "createdAt"
       FROM import_process_version
      WHERE import_process_id = $1
      ORDER BY version DESC LIMIT $2`,
    [id, limit],
  );
  return rows;
}

interface StoredTarget {
  id: number;
  version: number;
  target: TargetConfiguration;
}

/** The targets of these kinds in all versions. */
export async function selectTargetsOfKinds(sql: Sql, kinds: readonly string[]): Promise<StoredTarget[]> {
  const { rows } = await sql.query<StoredTarget>(
    `SELECT import_process_id AS id, version, target FROM import_process_version
      WHERE target ->> 'kind' = ANY ($1::text[]) ORDER BY import_process_id, version`,
    [kinds],
  );
  return rows;
}

/** Only the form of the secrets changes: a stored version means the same forever. */
export async function updateTarget(sql: Sql, { id, version, target }: StoredTarget): Promise<void> {
  await sql.query(
    'UPDATE import_process_version SET target = $3 WHERE import_process_id = $1 AND version = $2',
    [id, version, JSON.stringify(target)],
  );
}

/** Leaves room for import processes that a client places in between by number. */
const DISPLAY_ORDER_STEP = 10;

/** Sets display orders in the order of the ids. Batches do not pin the display order, so this creates no version. */
export async function updateDisplayOrder(sql: Sql, ids: readonly number[]): Promise<void> {
  await sql.query(
    `UPDATE import_process SET display_order = place.number * ${DISPLAY_ORDER_STEP}
       FROM unnest($1::bigint[]) WITH ORDINALITY AS place (id, number)
      WHERE import_process_id = place.id AND display_order <> place.number * ${DISPLAY_ORDER_STEP}`,
    [ids],
  );
}

/** The ids without an import process, in the order given. */
export async function selectUnknownIds(sql: Sql, ids: readonly number[]): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT id FROM unnest($1::bigint[]) WITH ORDINALITY AS given (id, place)
      WHERE NOT EXISTS (SELECT FROM import_process WHERE import_process_id = given.id)
      ORDER BY place`,
    [ids],
  );
  return rows.map(({ id }) => id);
}

/** The id of the import process with this key; `null` if there is none. */
export async function selectIdOfKey(sql: Sql, key: string): Promise<number | null> {
  const { rows } = await sql.query<{ id: number }>(
    'SELECT import_process_id AS id FROM import_process WHERE key = $1',
    [key],
  );
  return rows[0]?.id ?? null;
}

/** The key, with a number behind it if it is taken. */
export async function freeKey(sql: Sql, key: string): Promise<string> {
  const { rows } = await sql.query<{ key: string }>(
    `SELECT key FROM import_process WHERE key = $1 OR key LIKE $1 || '-%'`,
    [key],
  );
  const taken = new Set(rows.map((row) => row.key));
  let free = key;
  for (let number = 2; taken.has(free); number += 1) free = `${key}-${number}`;
  return free;
}
