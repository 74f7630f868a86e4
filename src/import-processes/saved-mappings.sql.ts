import type { SavedMapping } from '../formats/reading.js';
import type { Sql } from '../platform/database/database.service.js';

/*
 * Table `saved_mapping`: how files with certain headers are read. A mapping is saved under a name, or kept
 * automatically when a user matches the columns of a file; the first replaces the second.
 */

/** A saved mapping with its author. */
export interface StoredMapping extends SavedMapping {
  version: number;
  /** Whether it was kept because a user matched columns. */
  automatic: boolean;
  /** Id of the principal. */
  savedBy: string;
  savedAt: Date;
}

const COLUMNS = `name, version, automatic, reading, columns, constants, saved_by AS "savedBy", saved_at AS "savedAt"`;

/** The mapping saved last comes first. */
export async function selectMappings(sql: Sql, importProcessId: number): Promise<StoredMapping[]> {
  const { rows } = await sql.query<StoredMapping>(
    `SELECT ${COLUMNS} FROM saved_mapping WHERE import_process_id = $1 ORDER BY saved_at DESC, name`,
    [importProcessId],
  );
  return rows;
}

export async function selectMapping(
  sql: Sql,
  importProcessId: number,
  name: string,
): Promise<StoredMapping | null> {
  const { rows } = await sql.query<StoredMapping>(
    `SELECT ${COLUMNS} FROM saved_mapping WHERE import_process_id = $1 AND name = $2`,
    [importProcessId, name],
  );
  return rows[0] ?? null;
}

export interface MappingToStore extends SavedMapping {
  automatic: boolean;
  savedBy: string;
}

/** @throws unique violation if the name is taken */
export async function insertMapping(
  sql: Sql,
  importProcessId: number,
  { name, automatic, reading, columns, constants, savedBy }: MappingToStore,
): Promise<void> {
  await sql.query(
    `INSERT INTO saved_mapping (import_process_id, name, automatic, reading, columns, constants, saved_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      importProcessId,
      name,
      automatic,
      JSON.stringify(reading),
      JSON.stringify(columns),
      JSON.stringify(constants),
      savedBy,
    ],
  );
}

/** @throws unique violation if the new name is taken */
export async function updateMapping(
  sql: Sql,
  importProcessId: number,
  replaced: string,
  { name, automatic, reading, columns, constants, savedBy }: MappingToStore,
): Promise<void> {
  await sql.query(
    `UPDATE saved_mapping
        SET name = $3, automatic = $4, reading = $5, columns = $6, constants = $7, saved_by = $8, saved_at = now(),
            version = version + 1
      WHERE import_process_id = $1 AND name = $2`,
    [
      importProcessId,
      replaced,
      name,
      automatic,
      JSON.stringify(reading),
      JSON.stringify(columns),
      JSON.stringify(constants),
      savedBy,
    ],
  );
}

/** Returns how many there were. */
export async function deleteMappings(
  sql: Sql,
  importProcessId: number,
  names: readonly string[],
): Promise<number> {
  const { rowCount } = await sql.query(
    'DELETE FROM saved_mapping WHERE import_process_id = $1 AND name = ANY ($2::text[])',
    [importProcessId, names],
  );
  return rowCount;
}

/** Makes changes to the mappings of one import process take turns. Returns whether the import process exists. */
export async function lockMappingsOf(sql: Sql, importProcessId: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    'SELECT FROM import_process WHERE import_process_id = $1 FOR NO KEY UPDATE',
    [importProcessId],
  );
  return rowCount > 0;
}
