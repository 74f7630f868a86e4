import { holdLock } from '../../platform/database/advisory-locks.js';
import {
  copyField,
  type CopyInput,
  integerArray,
  rowsToCopy,
  textArray,
} from '../../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../../platform/database/database.service.js';
import type { IdentifierValue } from '../rows/row-reader.js';
import { idOf, type InstanceState, MOST_CARRIERS } from './instance-state.js';

/*
 * Table `workflow_identifier`: the identifiers that find instances. One row per instance and identifier:
 *
 *     (none) ──a row creates the instance, or gives it the identifier──▶ carried ──a row gives another value──▶ (none)
 *
 * The key is (workflow, name, value, distinguisher). The distinguisher is 0 for unique identifiers, so that the index
 * refuses a second carrier (23505), and the instance id for shared ones.
 */

/** `normalForm` in SQL. */
export function normalFormSql(expression: string): string {
  return `normalize(btrim(${expression}, U&'${INVISIBLE}'), NFC)`;
}

/** White space and invisible characters, as `trimEnds` removes them. */
const INVISIBLE = [
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0xad, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x200b, 0x200c, 0x200d, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff],
]
  .map((code) => `\\${code.toString(16).padStart(4, '0')}`)
  .join('');

export interface Carrier {
  /** 1-based place of the value in the list. */
  place: number;
  instanceId: number;
}

/**
 * Finds the instances that carry these identifiers; `names[i]` belongs to `values[i]`. The limit also keeps the planner
 * at one index look-up per value. Without it, the planner's estimates for a table that has just grown would make it
 * read the whole table for every chunk.
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

/**
 * Lets only one transaction at a time assign values that several instances of the workflow can carry. No index refuses
 * a second instance with such a value, so two chunks that look at the same time would both find nothing and both create
 * an instance.
 */
export function lockSharedValues(transaction: Transaction, workflowId: number): Promise<void> {
  return holdLock(transaction, 'sharedValues', workflowId);
}

interface IdentifierRow {
  identifier: IdentifierValue;
  instanceId: number;
}

/**
 * The new identifiers of the instances, in the same order for all chunks: two chunks that insert the same values then
 * wait in turn and cannot deadlock.
 * Writing them throws 23505 when another transaction has given a unique value to another instance.
 */
export function identifiersToInsert(
  workflowId: number,
  instances: readonly Pick<InstanceState, 'id' | 'newIdentifiers'>[],
): CopyInput {
  const rows: IdentifierRow[] = [];
  for (const instance of instances) {
    const instanceId = idOf(instance);
    for (const identifier of instance.newIdentifiers.values()) rows.push({ identifier, instanceId });
  }
  rows.sort((a, b) => byNameAndValue(a.identifier, b.identifier));
  return rowsToCopy(
    'workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)',
    rows,
    ({ identifier: { name, value, unique }, instanceId }) =>
      `${workflowId}\t${copyField(name)}\t${copyField(value)}\t${unique ? 0 : instanceId}\t${instanceId}`,
  );
}

function byNameAndValue(a: IdentifierValue, b: IdentifierValue): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

export interface FormerIdentifier {
  name: string;
  value: string;
  instanceId: number;
}

/** Takes values away from instances; skips values that an instance does not carry. */
export async function deleteIdentifiers(
  transaction: Transaction,
  workflowId: number,
  identifiers: readonly FormerIdentifier[],
): Promise<void> {
  if (identifiers.length === 0) return;
  await transaction.query(
    `DELETE FROM workflow_identifier i
      USING unnest($2::text[], $3::text[], $4::bigint[]) AS former (name, value, instance_id)
      WHERE i.workflow_id = $1 AND i.name = former.name COLLATE "C" AND i.value = former.value COLLATE "C"
        AND i.workflow_instance_id = former.instance_id`,
    [
      workflowId,
      textArray(identifiers.map(({ name }) => name)),
      textArray(identifiers.map(({ value }) => value)),
      integerArray(identifiers.map(({ instanceId }) => instanceId)),
    ],
  );
}

/** The given identifiers that any instance of the workflow has. */
export async function selectUsedIdentifiers(
  sql: Sql,
  workflowId: number,
  names: readonly string[],
): Promise<string[]> {
  const { rows } = await sql.query<{ name: string }>(
    `SELECT name FROM unnest($2::text[]) AS asked (name)
      WHERE EXISTS (SELECT FROM workflow_identifier i
                     WHERE i.workflow_id = $1 AND i.name = asked.name COLLATE "C")`,
    [workflowId, names],
  );
  return rows.map(({ name }) => name);
}
