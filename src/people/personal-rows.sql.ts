import { randomUUID } from 'node:crypto';
import type { Sql, Transaction } from '../platform/database/database.service.js';
import { normalFormSql } from '../workflows/engine/instances.sql.js';
import type { Change, PersonalRow, PersonalTable } from './personal-tables.js';
import { ERASED, type Person } from './person.js';

/*
 * Reads and changes every table that holds values of people, as `PERSONAL_TABLES` describes them: the statements are the
 * same for all (ADR 22 has SQL by table).
 */

/** A candidate: SQL finds texts that contain the value, and `Person` decides. */
export interface Candidate extends PersonalRow {
  /** Its batch has not ended. */
  isOpen: boolean;
  /** Of the row, if it belongs to a batch. */
  batchId: number | null;
}

const BATCH = 'workflow_import_queue_batch_id';

/**
 * The next rows that may hold values of the person, by key. No index finds a value within a text, so the statement may
 * read the whole table. It takes no locks.
 */
export async function selectCandidates(
  sql: Sql,
  table: PersonalTable,
  { person, instanceIds }: { person: Person; instanceIds: readonly string[] },
  after: readonly string[] | null,
  limit: number,
): Promise<Candidate[]> {
  const { key, columns, belongs = 'false', isOfInstance = 'false', isOpen = 'false' } = table;
  const keys = key.map((name) => `t.${name}`).join(', ');
  const texts = Object.keys(columns).map((name) => `t.${name}::text`);
  const values = Object.keys(columns).map((name) => `'${name}', t.${name}::text`);
  const beginning =
    after === null ? '' : `AND (${keys}) > (${key.map((_, place) => `$${place + 4}`).join(', ')})`;
  const { rows } = await sql.query<Candidate>(
    `SELECT ARRAY[${key.map((name) => `t.${name}::text`).join(', ')}] AS key,
            jsonb_build_object(${values.join(', ')}) AS values,
            coalesce(${belongs}, false) AS belongs, coalesce(${isOpen}, false) AS "isOpen",
            ${key.includes(BATCH) ? `t.${BATCH}` : 'NULL::bigint'} AS "batchId"
       FROM ${table.table} t
      WHERE $1::text[] IS NOT NULL AND NOT coalesce(${isOfInstance}, false)
        AND (${[...texts.map((text) => `${text} ILIKE ANY ($2::text[])`), `(${belongs})`].join(' OR ')}) ${beginning}
      ORDER BY ${keys}
      LIMIT $3`,
    [instanceIds, person.patterns, limit, ...(after ?? [])],
  );
  return rows;
}

/** Returns whether the row was changed; it may be gone. */
export async function applyChange(
  sql: Sql,
  { table, key, columns, follow }: PersonalTable,
  row: PersonalRow,
  change: Change,
): Promise<boolean> {
  const isRow = key.map((name, place) => `t.${name} = $${place + 1}`).join(' AND ');
  if (change === 'delete') {
    const { rowCount } = await sql.query(`DELETE FROM ${table} t WHERE ${isRow}`, row.key);
    return rowCount > 0;
  }
  const entries = Object.entries(change);
  if (entries.length === 0) return false;
  const set = entries.map(
    ([name], place) => `${name} = $${key.length + place + 1}::text::${columns[name] ?? 'text'}`,
  );
  const values = [...row.key, ...entries.map(([, value]) => value)];
  const { rowCount } = await sql.query(`UPDATE ${table} t SET ${set.join(', ')} WHERE ${isRow}`, values);
  if (follow !== undefined) await sql.query(follow, row.key);
  return rowCount > 0;
}

/** An instance that carries an identifier of the person. */
export interface FoundInstance {
  id: number;
  workflow: string;
}

/**
 * By the identifier of that name; by any identifier if the value cannot mean anything else. The log of an instance that an
 * undo deleted still holds its values.
 */
export async function selectInstancesOf(sql: Sql, person: Person, limit: number): Promise<FoundInstance[]> {
  const { rows } = await sql.query<FoundInstance>(
    `WITH known AS (
       SELECT DISTINCT workflow_id, identifier ->> 'name' AS name
         FROM workflow_definition, json_array_elements(definition -> 'identifiers') AS identifier
     )
     SELECT DISTINCT i.workflow_instance_id AS id, w.name AS workflow
       FROM known
       JOIN workflow_identifier i
         ON i.workflow_id = known.workflow_id AND i.name = known.name COLLATE "C"
            AND i.value = ANY ($2::text[])
       JOIN workflow w ON w.workflow_id = i.workflow_id
      WHERE known.name = $1 OR $3
      UNION
     SELECT l.workflow_instance_id, v.target ->> 'workflow'
       FROM import_queue_batch b
       JOIN import_process_version v
         ON v.import_process_id = b.import_process_id AND v.version = b.import_process_version
       JOIN workflow_log l ON l.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id
      CROSS JOIN LATERAL json_each(l.changes) AS change
      WHERE b.undo_of IS NOT NULL AND json_typeof(l.changes -> ':WorkflowStatus' -> 1) = 'null'
        AND change.key LIKE ':%' AND (change.key = $1 OR $3)
        AND (${normalFormSql('change.value ->> 0')} = ANY ($2::text[])
          OR lower(${normalFormSql('change.value ->> 0')}) = ANY ($2::text[]))
        AND NOT EXISTS (SELECT FROM workflow_instance i WHERE i.workflow_instance_id = l.workflow_instance_id)
      ORDER BY id
      LIMIT $4`,
    [person.identifier.name, person.identifierValues, person.isDistinctive, limit],
  );
  return rows;
}

/** How many rows of each table are about the instances themselves. */
export async function countInstanceRows(sql: Sql, ids: readonly number[]): Promise<Record<string, number>> {
  const { rows } = await sql.query<Record<string, number>>(
    `SELECT (SELECT count(*) FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[])) AS workflow_instance,
            (SELECT count(*) FROM workflow_identifier
              WHERE workflow_id IN (SELECT workflow_id FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[]))
                AND workflow_instance_id = ANY ($1::bigint[])) AS workflow_identifier,
            (SELECT count(*) FROM workflow_log WHERE workflow_instance_id = ANY ($1::bigint[])) AS workflow_log`,
    [ids],
  );
  return rows[0] ?? {};
}

/** Locks the instance first, as chunks do: a running import waits, and then does not find it. */
export async function deleteInstance(transaction: Transaction, id: number): Promise<void> {
  await transaction.query('SELECT FROM workflow_instance WHERE workflow_instance_id = $1 FOR UPDATE', [id]);
  await transaction.query('DELETE FROM workflow_log WHERE workflow_instance_id = $1', [id]);
  await transaction.query('DELETE FROM workflow_identifier WHERE workflow_instance_id = $1', [id]);
  await transaction.query('DELETE FROM workflow_instance WHERE workflow_instance_id = $1', [id]);
}

/**
 * Keeps the instance with its status, step and times. Its identifiers become pseudonyms, because they must stay unique;
 * its other texts are replaced, and numbers and lists are dropped.
 */
export async function anonymizeInstance(transaction: Transaction, id: number): Promise<void> {
  const pseudonym = `erased-${randomUUID()}`;
  await transaction.query('SELECT FROM workflow_instance WHERE workflow_instance_id = $1 FOR UPDATE', [id]);
  await transaction.query('UPDATE workflow_identifier SET value = $2 WHERE workflow_instance_id = $1', [
    id,
    pseudonym,
  ]);
  await transaction.query(
    `UPDATE workflow_instance
        SET attributes = coalesce((SELECT jsonb_object_agg(key, CASE WHEN key LIKE ':%' THEN $2 ELSE $3 END)
                                     FROM jsonb_each(attributes)
                                    WHERE key LIKE ':%' OR jsonb_typeof(value) = 'string'), '{}')
      WHERE workflow_instance_id = $1`,
    [id, pseudonym, ERASED],
  );
  await transaction.query(
    `UPDATE workflow_log
        SET changes = coalesce((SELECT jsonb_object_agg(key, (SELECT jsonb_agg(CASE WHEN each.value = 'null' THEN each.value ELSE to_jsonb($2::text) END)
                                                                FROM jsonb_array_elements(value) AS each))
                                  FROM jsonb_each(changes::jsonb)), '{}')::json
      WHERE workflow_instance_id = $1 AND changes ->> ':WorkflowCreated' IS NULL`,
    [id, ERASED],
  );
}

export interface FoundAccount {
  id: number;
  isDisabled: boolean;
}

/** The account that signs in with the address. */
export async function selectAccountOf(sql: Sql, person: Person): Promise<FoundAccount | undefined> {
  const { rows } = await sql.query<FoundAccount>(
    `SELECT user_id AS id, disabled_at IS NOT NULL AS "isDisabled" FROM app_user WHERE email = ANY ($1::text[])`,
    [person.identifierValues],
  );
  return rows[0];
}

/** Only a disabled account: the last administrator must not lose access to the service. */
export async function anonymizeAccount(transaction: Transaction, id: number): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `UPDATE app_user SET email = 'erased-' || user_id || '@erased.invalid', password_hash = 'erased'
      WHERE user_id = $1 AND disabled_at IS NOT NULL`,
    [id],
  );
  await transaction.query('DELETE FROM user_session WHERE user_id = $1 AND $2', [id, rowCount > 0]);
  return rowCount > 0;
}
