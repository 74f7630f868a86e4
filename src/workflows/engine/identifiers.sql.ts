import { holdLock } from '../../platform/database/advisory-locks.js';
import { type CopyInput, rowsToCopy } from '../../platform/database/copy-rows.js';
import { copyField, integerArray, textArray } from '../../platform/database/pg-text.js';
import type { Sql, Transaction } from '../../platform/database/transaction.js';
import type { IdentifierDefinition } from '../definition.js';
import type { IdentifierValue } from '../rows/parsed-row.js';
import { MOST_CARRIERS } from './identifier-index.js';
import { idOf, type InstanceState } from './instance-state.js';

export interface Carrier {
  /** 1-based place of the value that was asked for. */
  place: number;
  instanceId: number;
}

/**
 * Which instances carry these identifiers; `names[i]` goes with `values[i]`. The limit also holds the planner to one
 * index look-up per value; left to its estimates for a table that has just grown, it reads the whole table, for every
 * chunk.
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
 * Lets one transaction at a time give out values that several instances of the workflow may carry. No index refuses a
 * second instance with such a value, so two chunks that look at once would both find nothing and both create.
 */
export function lockSharedValues(transaction: Transaction, workflowId: number): Promise<void> {
  return holdLock(transaction, 'sharedValues', workflowId);
}

interface IdentifierRow {
  identifier: IdentifierValue;
  instanceId: number;
}

/**
 * The new identifiers of the instances, in one order for everybody: two chunks that insert the same values then wait
 * for each other in turn, not in a ring.
 * Writing them throws 23505 when another transaction has given a unique value to another instance.
 */
export function identifiersToInsert(workflowId: number, instances: readonly InstanceState[]): CopyInput {
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

/** Takes values from instances; what an instance does not carry is passed over. */
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

/**
 * Identifiers of the definition by which instances are found already, and which it would compare in another way than
 * those were stored in: they would not be found any more, and be made once more.
 */
export async function identifiersComparedDifferently(
  sql: Sql,
  workflowId: number,
  identifiers: readonly IdentifierDefinition[],
): Promise<string[]> {
  const { rows } = await sql.query<IdentifierDefinition>(LATEST_IDENTIFIERS_SQL, [workflowId]);
  const latest = new Map(rows.map((row) => [row.name, row]));
  const changed = identifiers.filter((identifier) => {
    const before = latest.get(identifier.name);
    return before !== undefined && comparison(before) !== comparison(identifier);
  });
  const names = changed.map(({ name }) => name);
  if (names.length === 0) return [];
  return (await sql.query<{ name: string }>(USED_NAMES_SQL, [workflowId, names])).rows.map(
    ({ name }) => name,
  );
}

const comparison = ({ unique, caseInsensitive = false }: IdentifierDefinition): string =>
  `${unique} ${caseInsensitive}`;

/** Of each name the latest version that has it: an identifier may have been left out meanwhile. */
const LATEST_IDENTIFIERS_SQL = `
  SELECT DISTINCT ON (identifier ->> 'name') identifier ->> 'name' AS name,
    (identifier ->> 'unique')::boolean AS unique,
    coalesce((identifier ->> 'caseInsensitive')::boolean, false) AS "caseInsensitive"
  FROM workflow_definition, json_array_elements(definition -> 'identifiers') AS identifier
  WHERE workflow_id = $1
  ORDER BY identifier ->> 'name', version DESC`;

const USED_NAMES_SQL = `
  SELECT name FROM unnest($2::text[]) AS changed (name)
  WHERE EXISTS (
    SELECT FROM workflow_identifier WHERE workflow_id = $1 AND workflow_identifier.name = changed.name COLLATE "C")`;
