import { holdLock } from '../../platform/database/advisory-locks.js';
import {
  copyField,
  type CopyInput,
  integerArray,
  readIntegerArray,
  rowsToCopy,
  textArray,
} from '../../platform/database/copy-rows.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { Sql, Transaction } from '../../platform/database/database.service.js';
import { attributesText, type JsonObject } from '../../platform/json/json-value.js';
import type { InstanceStatus } from '../definition.js';
import type { IdentifierValue } from '../rows/row-reader.js';
import { idOf, type InstanceState, MOST_CARRIERS, type StoredInstance } from './instance-state.js';
import { copyJson } from './log.sql.js';

/*
 * Table `workflow_instance`. `InstanceState` changes the status according to the action's primary:
 *
 *     (none) ──create──▶ incomplete ──completeSuccessfully────▶ completed_successfully
 *                        ▲   │  ▲  └───completeUnsuccessfully──▶ completed_unsuccessfully
 *                        │   └──┘ save, moveToStep                │ (actions of a data import step with
 *                        └──────────────── makeIncomplete ────────┘  `actsOnTerminal` reach these, too)
 *
 * Undoing a creation deletes the row, and undoing that inserts it again under its id.
 */

/** The start of the transaction by the clock of PostgreSQL, as ISO 8601. */
export async function selectNow(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ now: Date }>('SELECT now()');
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL did not return the time');
  return row.now.toISOString();
}

/**
 * Ids for new instances, ascending. The statement names the sequence, because looking up its name for each id took
 * longer than the rest.
 */
export async function allocateInstanceIds(transaction: Transaction, count: number): Promise<number[]> {
  if (count === 0) return [];
  const { rows } = await transaction.query<{ id: number }>(
    `SELECT nextval('workflow_instance_workflow_instance_id_seq') AS id
       FROM generate_series(1, $1)`,
    [count],
  );
  return rows.map(({ id }) => id);
}

/** The number of instances of a workflow. */
export async function countInstances(sql: Sql, workflowId: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    'SELECT count(*) AS count FROM workflow_instance WHERE workflow_id = $1',
    [workflowId],
  );
  return rows[0]?.count ?? 0;
}

/** An instance as it was read without a lock. */
export interface SeenInstance extends StoredInstance {
  /** The transaction that wrote it like this. */
  version: number;
}

/** Instances per text: some have megabytes of attributes, and a text cannot have more than 512 MB. */
const INSTANCES_PER_TEXT = 32;

/**
 * Reads the current instances without a lock, so that another transaction can change them at any time. Many of them come
 * as one text: the driver would take longer to read a row for each. The LIMIT makes PostgreSQL look each of them up.
 */
export async function selectInstances(sql: Sql, ids: readonly number[]): Promise<SeenInstance[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql.query<Record<'ids' | 'versions' | 'states' | 'attributes', string | null>>(
    `SELECT piece.*
       FROM generate_series(1, $2::integer, ${INSTANCES_PER_TEXT}) AS first
      CROSS JOIN LATERAL (
        SELECT array_agg(wanted.id)::text AS ids, array_agg(version)::text AS versions,
               json_agg(json_build_array(status, step))::text AS states, string_agg(attributes::text, E'\\n') AS attributes
          FROM unnest(($1::bigint[])[first:first + ${INSTANCES_PER_TEXT - 1}]) AS wanted (id)
         CROSS JOIN LATERAL (
           SELECT xmin AS version, status, step, attributes FROM workflow_instance
            WHERE workflow_instance_id = wanted.id
            LIMIT 1
         ) AS instance
      ) AS piece`,
    [integerArray(ids), ids.length],
  );
  return rows.flatMap((piece) => {
    if (piece.ids === null || piece.states === null || piece.attributes === null) return [];
    const versions = readIntegerArray(piece.versions);
    const states = JSON.parse(piece.states) as [InstanceStatus, string | null][];
    // JSON text contains no line ends.
    const texts = piece.attributes.split('\n');
    return readIntegerArray(piece.ids).map((id, index) => {
      const [status, step] = states[index] ?? ['incomplete', null];
      const attributes = JSON.parse(texts[index] ?? '{}') as JsonObject;
      return { id, version: versions[index] ?? 0, status, step, attributes };
    });
  });
}

/**
 * Locks the instances until the end of the transaction, one after the other in the order of their ids, and returns them
 * as they now are. All callers lock in this order, so two chunks wait in turn and cannot deadlock.
 * @param seen what is known of some of them; they are not read again unless another transaction has changed them
 */
export async function lockInstances(
  transaction: Transaction,
  ids: readonly number[],
  seen: ReadonlyMap<number, SeenInstance> = NONE_SEEN,
): Promise<StoredInstance[]> {
  if (ids.length === 0) return [];
  const { rows } = await transaction.query<Record<'ids' | 'versions', string | null>>(
    `SELECT array_agg(instance.id)::text AS ids, array_agg(instance.version)::text AS versions
       FROM unnest($1::bigint[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id AS id, xmin AS version FROM workflow_instance
         WHERE workflow_instance_id = wanted.id
           FOR UPDATE
      ) AS instance`,
    [integerArray(ids.toSorted((a, b) => a - b))],
  );
  const versions = readIntegerArray(rows[0]?.versions ?? null);
  const instances: StoredInstance[] = [];
  const others: number[] = [];
  for (const [index, id] of readIntegerArray(rows[0]?.ids ?? null).entries()) {
    const known = seen.get(id);
    if (known !== undefined && known.version === versions[index]) instances.push(known);
    else others.push(id);
  }
  return [...instances, ...(await selectInstances(transaction, others))];
}

const NONE_SEEN: ReadonlyMap<number, SeenInstance> = new Map();

export function instancesToInsert(
  workflowId: number,
  instances: readonly InstanceState[],
): Promise<CopyInput> {
  return rowsToCopy(
    'workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)',
    instances,
    (instance) =>
      `${idOf(instance)}\t${workflowId}\t${instance.status}\t${copyField(instance.step)}\t${copyJson(attributesText(instance.attributes))}`,
  );
}

/** The new state of instances, as parameters of the statement; `null` if there are none. */
export type InstanceUpdate = readonly string[] | null;

/** The parts of an instance that its row stores. */
type StoredState = Pick<InstanceState, 'id' | 'status' | 'step' | 'attributes'>;

export async function instancesToUpdate(instances: readonly StoredState[]): Promise<InstanceUpdate> {
  if (instances.length === 0) return null;
  const turn = new EventLoopTurn();
  const texts: string[] = [];
  for (const { attributes } of instances) {
    if (turn.isOver) await turn.next();
    texts.push(attributesText(attributes));
  }
  return [
    integerArray(instances.map(idOf)),
    textArray(instances.map(({ status }) => status)),
    textArray(instances.map(({ step }) => step)),
    // JSON text contains no line ends. Joined by line ends, the texts need no escapes for their many quotes.
    texts.join('\n'),
  ];
}

/** Updates instances that this transaction has locked. */
export async function updateInstances(transaction: Transaction, update: InstanceUpdate): Promise<void> {
  if (update === null) return;
  await transaction.query(
    `UPDATE workflow_instance i
        SET status = changed.status, step = changed.step, attributes = changed.attributes::jsonb, updated_at = now()
       FROM unnest($1::bigint[], $2::text[], $3::text[], string_to_array($4, E'\\n'))
         AS changed (id, status, step, attributes)
      WHERE i.workflow_instance_id = changed.id`,
    update,
  );
}

/** Deletes instances that this transaction has locked. Their log stays: it says what they were. */
export async function deleteInstances(transaction: Transaction, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await transaction.query('DELETE FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[])', [
    ids,
  ]);
}

/**
 * Inserts deleted instances again, under their ids. Their first log entry has the time of their creation.
 * @throws 23505 if another transaction has inserted one of them
 */
export async function restoreInstances(
  transaction: Transaction,
  workflowId: number,
  instances: readonly StoredState[],
): Promise<void> {
  const restored = await instancesToUpdate(instances);
  if (restored === null) return;
  await transaction.query(
    `INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes, created_at)
     SELECT restored.id, $5, restored.status, restored.step, restored.attributes::jsonb,
            coalesce((SELECT logged_at FROM workflow_log
                       WHERE workflow_instance_id = restored.id ORDER BY workflow_log_id LIMIT 1), now())
       FROM unnest($1::bigint[], $2::text[], $3::text[], string_to_array($4, E'\\n'))
         AS restored (id, status, step, attributes)`,
    [...restored, workflowId],
  );
}

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

/** Instances that carry identifiers: `ids[i]` carries the one at `places[i]` of the list, which counts from 1. */
interface Carriers {
  places: readonly number[];
  ids: readonly number[];
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
): Promise<Carriers> {
  // As two texts: the driver would take longer to read a row for each than PostgreSQL does to find it.
  const { rows } = await sql.query<{ places: string | null; ids: string | null }>(
    `SELECT array_agg(wanted.place)::text AS places, array_agg(carrier.workflow_instance_id)::text AS ids
       FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (name, value, place)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id FROM workflow_identifier
         WHERE workflow_id = $1 AND name = wanted.name COLLATE "C" AND value = wanted.value COLLATE "C"
         LIMIT $4
      ) AS carrier`,
    [workflowId, textArray(names), textArray(values), MOST_CARRIERS + 1],
  );
  const { places = null, ids = null } = rows[0] ?? {};
  return { places: readIntegerArray(places), ids: readIntegerArray(ids) };
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
): Promise<CopyInput> {
  const rows: IdentifierRow[] = [];
  for (const instance of instances) {
    const instanceId = idOf(instance);
    for (const identifier of instance.newIdentifiers) rows.push({ identifier, instanceId });
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
